package template

import (
	"slices"

	"agentd/internal/errs"
)

// Limits of what is parsed.
const (
	// MaxDocumentBytes bounds one YAML document of a stream.
	MaxDocumentBytes = 128 << 10
	// MaxRequestBytes bounds all that is given to [Parse].
	MaxRequestBytes = 1 << 20
)

// Document is one template of a source, with the text that it stands in.
type Document struct {
	Template Template
	// Text is verbatim: parsed alone, it yields exactly Template.
	Text []byte
	// Line is where the template begins in the source, from 1.
	Line int
	// Warnings do not stop anything: what is accepted but looks wrong.
	Warnings []errs.Problem
}

// Parse reads every template of a source; file is the name that the author knows it by. The error is an [errs.Error]:
// too_large, or invalid with all the problems of all documents, in the order of the file.
func Parse(file string, src []byte) ([]Document, error) {
	r, items, err := read(file, src)
	if err != nil {
		return nil, err
	}
	docs := make([]Document, len(items))
	for i, it := range items {
		r.warnings, r.params = nil, nil
		docs[i] = Document{Template: r.template(it.root), Line: r.line(it.root.off)}
		slices.SortStableFunc(r.warnings, byPlace)
		docs[i].Warnings = r.warnings
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	for i := range docs {
		if docs[i].Text, err = r.slice(items, i, docs[i].Template); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// ParseOne reads a source that must hold exactly one template.
func ParseOne(file string, src []byte) (Document, error) {
	docs, err := Parse(file, src)
	if err != nil {
		return Document{}, err
	}
	if len(docs) != 1 {
		return Document{}, errs.New(errs.Invalid, "wants exactly one template, and here are %d", len(docs)).
			WithHint("send them one at a time, or use apply")
	}
	return docs[0], nil
}

// read finds the templates of a source, without a look inside of them.
func read(file string, src []byte) (*reader, []item, error) {
	if err := tooLarge(src); err != nil {
		return nil, nil, err
	}
	r := &reader{source: newSource(file, src)}
	trees, err := r.trees()
	if err != nil {
		return nil, nil, err
	}
	var items []item
	for i := range trees {
		items = append(items, r.items(&trees[i])...)
	}
	if len(trees) == 0 && len(r.problems) == 0 {
		r.problem(0, "", "empty", "the document is empty: wants a session template")
	}
	return r, items, nil
}
