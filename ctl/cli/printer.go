package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// print writes to standard output; a full disk or a closed file is an error like any other.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.Out, text); err != nil {
		return errs.New(errs.Internal, "write to standard output: %w", err)
	}
	return nil
}

// println writes a line for a person: nothing in it can harm a terminal.
func (a *app) println(format string, args ...any) error {
	return a.print(printable(fmt.Sprintf(format, args...)) + "\n")
}

// lines prints one of texts a line.
func (a *app) lines(texts []string) error {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(printable(text) + "\n")
	}
	return a.print(b.String())
}

// data prints v, which has a schema_version, as JSON or YAML.
func (a *app) data(kind string, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	if kind == formatYAML {
		if text, err = template.YAML(text); err != nil {
			return errs.New(errs.Internal, "print YAML: %w", err)
		}
	}
	return a.print(string(text))
}

// marshal is indented JSON in which what a terminal would obey is escaped: outside its strings JSON has none of it.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, errs.New(errs.Internal, "print JSON: %w", err)
	}
	var safe bytes.Buffer
	for _, r := range b.String() {
		switch {
		case r == '\n' || !hostile(r):
			safe.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&safe, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return safe.Bytes(), nil
}

// table prints a table, no wider than the terminal.
func (a *app) table(t *table) error { return a.print(t.render(a.outWidth())) }
