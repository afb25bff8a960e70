package template

import (
	"bytes"
	"slices"
)

// tree is one document of a source.
type tree struct {
	root       *node
	start, end int
	json       bool
}

// trees reads the documents of a source; empty ones are left out.
func (r *reader) trees() ([]tree, error) {
	if r.encoding(); len(r.problems) > 0 {
		return nil, nil
	}
	chunks := slices.DeleteFunc(split(r.source), r.empty)
	if len(chunks) > maxDocuments {
		r.tooMany(chunks[maxDocuments].start)
		return nil, nil
	}
	var all []tree
	for _, c := range chunks {
		trees, err := r.chunk(c)
		if err != nil {
			return nil, err
		}
		for _, t := range trees {
			if t.root != nil && !t.root.null() {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// chunk reads one YAML document, or all JSON values of a sequence of them.
func (r *reader) chunk(c chunk) ([]tree, error) {
	text := bytes.TrimSpace(r.text[c.start:c.end])
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		if trees, ok, err := r.json(c); ok || err != nil {
			return trees, err
		}
	}
	if c.end-c.start > MaxDocumentBytes {
		return nil, r.documentTooLarge(c.start, c.end)
	}
	root := r.yaml(c)
	return []tree{{root: root, start: c.start, end: c.end}}, nil
}

// empty reports whether a chunk has nothing but blank lines, comments and boundaries.
func (r *reader) empty(c chunk) bool {
	for line := range bytes.Lines(r.text[c.start:c.end]) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != "---" && string(line) != "..." {
			return false
		}
	}
	return true
}
