package template

import (
	"bytes"
	"reflect"

	"agentd/internal/errs"
)

// slice returns the text of the i-th template of a source: all of it, if it is the only one; else its verbatim lines, if
// these alone say the same, which they do not if it uses an anchor of another one; else what it says, written anew.
func (r *reader) slice(items []item, i int, want Template) ([]byte, error) {
	if len(items) == 1 {
		return r.text, nil
	}
	ways := []func(item) ([]byte, error){r.alone, rendered, renderedJSON}
	for _, way := range ways {
		text, err := way(items[i])
		if err != nil || text == nil {
			continue
		}
		if yields(text, want) {
			return text, nil
		}
	}
	return nil, errs.New(errs.Internal, "the template at line %d cannot be stored on its own", r.line(items[i].root.off))
}

// yields reports whether a text holds one template, and that one.
func yields(text []byte, want Template) bool {
	r, items, err := read("", text)
	if err != nil || len(items) != 1 || len(r.problems) > 0 {
		return false
	}
	got := r.template(items[0].root)
	return len(r.problems) == 0 && reflect.DeepEqual(got, want)
}

// alone is the part of the source that holds one template and no other; nil if there is none.
func (r *reader) alone(it item) ([]byte, error) {
	switch {
	case it.tree.json:
		return append(bytes.Clone(r.text[it.root.off:it.root.end]), '\n'), nil
	case it.list == nil || len(it.list.items) == 1:
		return withoutMarkers(r.text[it.tree.start:it.tree.end]), nil
	case it.list.flow:
		return nil, nil
	}
	start, ok := r.dash(it.list, it.index)
	end := r.listEnd(it)
	if next, isDash := r.dash(it.list, it.index+1); isDash {
		end = next
	}
	if !ok || start >= end {
		return nil, nil
	}
	return bytes.Clone(withoutMarkers(r.text[start:end])), nil
}

// withoutMarkers drops the line `---` before a document and `...` after it.
func withoutMarkers(text []byte) []byte {
	if n := lineLength(text); bytes.Equal(bytes.TrimSpace(text[:n]), []byte("---")) {
		text = text[n:]
	}
	last := bytes.LastIndexByte(bytes.TrimRight(text, " \t\r\n"), '\n') + 1
	if isBoundary(text[last:], "...") {
		text = text[:last]
	}
	return bytes.Clone(text)
}

// dash returns where the lines of an item of a list in block style begin: at its '-', or at the comments right above.
func (r *reader) dash(list *node, i int) (int, bool) {
	if i >= len(list.items) {
		return 0, false
	}
	_, column := r.place(list.off)
	for at := r.lineStart(list.items[i].off); at >= r.lineStart(list.off); at = r.lineBefore(at) {
		line := r.text[at : at+lineLength(r.text[at:])]
		if len(line) >= column && len(bytes.TrimLeft(line[:column-1], " ")) == 0 && isBoundary(line[column-1:], "-") {
			return r.commentsAbove(at, column), true
		}
		if at == 0 {
			break
		}
	}
	return 0, false
}

// commentsAbove goes up from the line at over the comments that are indented as the '-' in that column is.
func (r *reader) commentsAbove(at, column int) int {
	for at > 0 {
		above := r.lineBefore(at)
		line := r.text[above:at]
		if len(line) < column || len(bytes.TrimLeft(line[:column-1], " ")) > 0 || line[column-1] != '#' {
			break
		}
		at = above
	}
	return at
}

// lineBefore returns where the line before the one that begins at the offset does.
func (r *reader) lineBefore(at int) int { return r.lineStart(max(at-1, 0)) }

// listEnd returns where the lines of the list that an item is in end: at the next key of the wrapper, or of the document.
func (r *reader) listEnd(it item) int {
	for _, f := range it.tree.root.fields {
		if f.off > it.list.off {
			return r.lineStart(f.off)
		}
	}
	return it.tree.end
}
