package errs

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a document, and where.
type Problem struct {
	// File is the name that the author knows the document by; "-" for standard input, empty if unknown.
	File string `json:"file,omitempty" doc:"name of the document as the author knows it"`
	// Line and Column count from 1, in characters; 0 if the problem has no place.
	Line   int `json:"line,omitempty" doc:"line, from 1"`
	Column int `json:"column,omitempty" doc:"column, from 1"`
	// Path is the dotted path of the field, such as spec.kernel.image; empty for the document itself.
	Path string `json:"path,omitempty" doc:"dotted path of the field"`
	// Rule is the stable name of the rule that is broken, such as unknown-key.
	Rule string `json:"rule" doc:"stable name of the broken rule"`
	// Message says what is wrong and what was wanted, on one line.
	Message string `json:"message" doc:"what is wrong and what was wanted"`
}

// String is file:line:column: path: message, without the parts that are unknown.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}
