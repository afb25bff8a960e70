package template

import (
	"bytes"
	"encoding/json"
	"strings"

	"gopkg.in/yaml.v3"
)

// edited is the one template of a text, to be changed in place.
type edited struct {
	*reader
	item item
	all  []tree
}

// edit reads a text that holds exactly one template.
func edit(text []byte) (*edited, error) {
	if _, err := ParseOne("", text); err != nil {
		return nil, err
	}
	r := &reader{source: newSource("", text)}
	trees, err := r.trees()
	if err != nil {
		return nil, err
	}
	e := &edited{reader: r, all: trees}
	for i := range trees {
		for _, it := range r.items(&trees[i]) {
			e.item = it
		}
	}
	return e, r.err()
}

// find returns the value at a dotted path of fixed keys in any of their spellings; nil if there is none.
func (e *edited) find(path string) *node {
	n, place := e.item.root, ""
	for step := range strings.SplitSeq(path, ".") {
		var next *node
		for _, k := range keysAt(place) {
			if k[0] != step {
				continue
			}
			for _, spelling := range k {
				if v := n.value(spelling); v != nil {
					next = v
				}
			}
		}
		if next == nil {
			return nil
		}
		n, place = next, join(place, step)
	}
	return n
}

// token returns where a scalar stands in the text, with its quotes; ok is false if that is not one piece on one line of
// its own: an alias, an anchor, a tag, a block.
func (e *edited) token(n *node) (start, end int, ok bool) {
	if n.kind != scalar || n.aliased {
		return 0, 0, false
	}
	if n.end > 0 {
		return n.off, n.end, true
	}
	line, _, _ := bytes.Cut(e.text[n.off:], []byte("\n"))
	switch {
	case n.plain:
		return n.off, n.off + len(n.text), n.text != "" && bytes.HasPrefix(line, []byte(n.text))
	case line[0] == '\'':
		for i := 1; i < len(line); i++ {
			if line[i] != '\'' {
				continue
			}
			if i+1 == len(line) || line[i+1] != '\'' {
				return n.off, n.off + i + 1, true
			}
			i++
		}
	case line[0] == '"':
		for i := 1; i < len(line); i++ {
			switch line[i] {
			case '\\':
				i++
			case '"':
				return n.off, n.off + i + 1, true
			}
		}
	}
	return 0, 0, false
}

// replace puts the first of the ways to write value into the place of n after which the text says all that it said, but
// for that value. It returns the piece that stood there; ok is false if no way does.
func (e *edited) replace(n *node, value string, ways ...string) (text []byte, old string, ok bool) {
	start, end, ok := e.token(n)
	if !ok {
		return nil, "", false
	}
	for _, way := range ways {
		text := bytes.Join([][]byte{e.text[:start], []byte(way), e.text[end:]}, nil)
		if e.differsOnlyIn(n, value, text) {
			return text, string(e.text[start:end]), true
		}
	}
	return nil, "", false
}

// differsOnlyIn reports whether text has the same documents, but that the node n says value.
func (e *edited) differsOnlyIn(n *node, value string, text []byte) bool {
	after, err := edit(text)
	if err != nil || len(after.all) != len(e.all) {
		return false
	}
	for i := range e.all {
		if !e.all[i].root.same(after.all[i].root, n) {
			return false
		}
	}
	var changed *node
	for i := range e.all {
		changed = firstNonNil(changed, counterpart(e.all[i].root, after.all[i].root, n))
	}
	return changed != nil && changed.text == value && !changed.null()
}

func firstNonNil(a, b *node) *node {
	if a != nil {
		return a
	}
	return b
}

// counterpart returns the node of the tree b that stands where n does in the tree a of the same form.
func counterpart(a, b, n *node) *node {
	if a == n {
		return b
	}
	for i, f := range a.fields {
		if found := counterpart(f.value, b.fields[i].value, n); found != nil {
			return found
		}
	}
	for i, item := range a.items {
		if found := counterpart(item, b.items[i], n); found != nil {
			return found
		}
	}
	return nil
}

// quoted writes a text in the style of n: bare, in single quotes, or in double quotes.
func (e *edited) quoted(n *node, text string) []string {
	double := doubleQuoted(text)
	switch {
	case n.plain:
		return []string{text, double}
	case e.text[n.off] == '\'':
		return []string{"'" + strings.ReplaceAll(text, "'", "''") + "'", double}
	default:
		return []string{double}
	}
}

// doubleQuoted is a string of JSON, which is one of YAML too.
func doubleQuoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unquoted is what a piece of text, as edited.replace returns it, says.
func unquoted(piece string) (string, bool) {
	var text string
	if strings.HasPrefix(piece, `"`) && json.Unmarshal([]byte(piece), &text) == nil {
		return text, true
	}
	// As the value of a key, for at the beginning of a document "..." and "%" mean something else.
	doc, err := decodeYAML([]byte("k: " + piece + "\n"))
	if err != nil || doc == nil || len(doc.Content[0].Content) != 2 {
		return "", false
	}
	value := doc.Content[0].Content[1]
	return value.Value, value.Kind == yaml.ScalarNode
}
