package template

import (
	"cmp"
	"fmt"
	"slices"

	"agentd/internal/errs"
)

// maxProblems bounds what is listed: a person reads no more, and a hostile document would have thousands.
const maxProblems = 100

// reader reads one source and collects what is wrong with it; it goes on after every problem.
type reader struct {
	*source
	problems []errs.Problem
	// more counts the problems over [maxProblems].
	more int
	// warnings and params are those of the template that is being read.
	warnings []errs.Problem
	params   map[string]Param
}

// full counts one more problem if there are as many as are listed, so that nobody words it in vain.
func (r *reader) full() bool {
	if len(r.problems) < maxProblems {
		return false
	}
	r.more++
	return true
}

// problem notes that the field at path, found at the byte off, breaks a rule.
func (r *reader) problem(off int, path, rule, format string, args ...any) {
	if r.full() {
		return
	}
	p := r.at(off, path, rule, fmt.Sprintf(format, args...))
	// Aliases and merges show the same fault of the same place more than once.
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

// refuse notes err as a problem; nil is none.
func (r *reader) refuse(off int, path, rule string, err error) {
	if err != nil {
		r.problem(off, path, rule, "%s", err.Error())
	}
}

// warn notes what is accepted but looks wrong.
func (r *reader) warn(off int, path, rule, format string, args ...any) {
	if len(r.warnings) < maxProblems {
		r.warnings = append(r.warnings, r.at(off, path, rule, fmt.Sprintf(format, args...)))
	}
}

func (r *reader) at(off int, path, rule, message string) errs.Problem {
	line, column := r.place(off)
	return errs.Problem{File: r.file, Line: line, Column: column, Path: path, Rule: rule, Message: message}
}

// err is nil, or the error that lists all problems in the order of the file.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, byPlace)
	message := "not a valid session template: 1 problem"
	if n := len(r.problems) + r.more; n > 1 {
		message = fmt.Sprintf("not a valid session template: %d problems", n)
	}
	if r.more > 0 {
		message += fmt.Sprintf(", of which these are %d", len(r.problems))
	}
	return &errs.Error{Code: errs.Invalid, Message: message, Problems: r.problems}
}

// byPlace is the order of the file.
func byPlace(a, b errs.Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
