package template

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// yaml reads one YAML document; nil if it is empty, or so wrong that there is nothing to go on with.
func (r *reader) yaml(c chunk) *node {
	text := r.text[c.start:c.end]
	doc, err := decodeYAML(text)
	if err != nil {
		r.syntax(c, err)
		return nil
	}
	if doc == nil {
		return nil
	}
	y := &yamlReader{walk: walk{reader: r}, base: c.start, text: text, lines: yamlLines(text)}
	return y.node(doc.Content[0], false)
}

// decodeYAML returns the document node of the only document in text, nil if there is none.
func decodeYAML(text []byte) (doc *yaml.Node, err error) {
	// The library ends a fault of its own with a panic; to its user that is one more text that it cannot read.
	defer func() {
		if v := recover(); v != nil {
			doc, err = nil, fmt.Errorf("yaml: %v", v)
		}
	}()
	d := yaml.NewDecoder(&once{text: text})
	doc = new(yaml.Node)
	if err := d.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	// Only the attempt at another document shows what is wrong after the first one.
	switch err := d.Decode(new(yaml.Node)); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err == nil:
		return nil, errors.New("yaml: did not find expected <document start>")
	default:
		return nil, err
	}
}

// once reads a text; unlike a bytes.Reader it never gives a short piece at the end with a nil error.
type once struct{ text []byte }

func (o *once) Read(p []byte) (int, error) {
	n := copy(p, o.text)
	o.text = o.text[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// yamlReader turns the nodes of one document into ours.
type yamlReader struct {
	walk
	base  int
	text  []byte
	lines []int
	// line, column and off are of the node that was looked for last: in a long line the next one is found from there.
	line, column, off int
	// open are the anchors whose content is being read.
	open []*yaml.Node
}

// yamlLines returns where the lines begin for the YAML library, for which there are more line breaks than \n.
func yamlLines(text []byte) []int {
	lines := []int{0}
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		i += size
		crlf := c == '\r' && i < len(text) && text[i] == '\n'
		if !crlf && (c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029) {
			lines = append(lines, i)
		}
	}
	return lines
}

// offset is where in the source a node begins.
func (y *yamlReader) offset(n *yaml.Node) int {
	line := min(max(n.Line, 1), len(y.lines))
	if line != y.line || n.Column < y.column {
		y.line, y.column, y.off = line, 1, y.lines[line-1]
	}
	for ; y.column < n.Column; y.column++ {
		_, size := utf8.DecodeRune(y.text[y.off:])
		y.off += size
	}
	return y.base + y.off
}

func (y *yamlReader) node(n *yaml.Node, aliased bool) *node {
	off := y.offset(n)
	if !y.take(off) {
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		if !y.walk.alias(off) {
			return nil
		}
		if slices.Contains(y.open, n.Alias) {
			y.problem(off, y.path(), "alias-cycle", "the alias *%s stands inside of what it stands for", short(n.Value))
			return &node{kind: scalar, off: off, tag: tagNull, aliased: true}
		}
		return y.node(n.Alias, true)
	case yaml.MappingNode, yaml.SequenceNode:
		y.open = append(y.open, n)
		defer func() { y.open = y.open[:len(y.open)-1] }()
		out := &node{off: off, aliased: aliased, flow: n.Style&yaml.FlowStyle != 0}
		if n.Kind == yaml.SequenceNode {
			out.kind = sequence
			y.tag(n, off, "!!seq")
			return y.list(out, n, aliased)
		}
		out.kind = mapping
		y.tag(n, off, "!!map")
		return y.mapping(out, n, aliased)
	default:
		return y.scalar(n, off, aliased)
	}
}

func (y *yamlReader) list(out *node, n *yaml.Node, aliased bool) *node {
	for i, c := range n.Content {
		y.enter("[" + strconv.Itoa(i) + "]")
		item := y.node(c, aliased)
		y.leave()
		if item == nil {
			return nil
		}
		out.items = append(out.items, item)
	}
	return out
}

func (y *yamlReader) mapping(out *node, n *yaml.Node, aliased bool) *node {
	var merges []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, off := n.Content[i], y.offset(n.Content[i])
		y.enter(key.Value)
		value := y.node(n.Content[i+1], aliased)
		y.leave()
		if value == nil {
			return nil
		}
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, y.merged(value, off)...)
			continue
		}
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || key.Tag == tagNull {
			y.problem(off, y.path(), "bad-key", "a key must be a plain word, not %s", keyWhat(key))
			continue
		}
		y.tag(key, off, key.Tag)
		y.nul(off, key.Value)
		out.fields = append(out.fields, field{key: key.Value, off: off, value: value})
	}
	y.keys(out)
	return y.merge(out, merges)
}

func keyWhat(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return string(mapping)
	case yaml.SequenceNode:
		return string(sequence)
	default:
		return "null"
	}
}

// merged are the mappings that a merge key brings in.
func (y *yamlReader) merged(value *node, off int) []*node {
	sources := []*node{value}
	if value.kind == sequence {
		sources = value.items
	}
	for _, s := range sources {
		if s.kind != mapping {
			y.problem(off, y.path(), "bad-merge", "<< wants a map, or a list of maps, not %s", s.what())
			return nil
		}
	}
	return sources
}

// merge adds the keys of merged mappings that a mapping does not have itself; the first one that has a key gives it.
func (y *yamlReader) merge(out *node, merges []*node) *node {
	have := map[string]bool{}
	for _, f := range out.fields {
		have[f.key] = true
	}
	for _, m := range merges {
		for _, f := range m.fields {
			if !have[f.key] {
				have[f.key] = true
				f.value.markAliased()
				out.fields = append(out.fields, f)
			}
		}
	}
	return out
}

func (n *node) markAliased() {
	n.aliased = true
	for _, f := range n.fields {
		f.value.markAliased()
	}
	for _, item := range n.items {
		item.markAliased()
	}
}

func (y *yamlReader) scalar(n *yaml.Node, off int, aliased bool) *node {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	out := &node{kind: scalar, off: off, tag: n.Tag, text: n.Value, plain: n.Style&quoted == 0, aliased: aliased}
	y.nul(off, n.Value)
	switch n.Tag {
	case tagString, tagInt, tagFloat, tagBool:
		y.tag(n, off, n.Tag)
	case tagNull:
		if n.Style&yaml.TaggedStyle != 0 {
			y.tag(n, off, "")
		}
	case "!!timestamp", "!!merge":
		// To us a date is the text that was written.
		out.tag = tagString
		if n.Style&yaml.TaggedStyle != 0 {
			y.tag(n, off, "")
		}
	default:
		y.tag(n, off, "")
		out.tag = tagString
	}
	return out
}

// tag notes an explicit tag other than the one that the node has anyway; a template has no use for them.
func (y *yamlReader) tag(n *yaml.Node, off int, want string) {
	if n.Tag != want {
		y.problem(off, y.path(), "tag", "the tag %s means nothing here: write the value without it", short(n.Tag))
	}
}
