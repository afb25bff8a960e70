package template

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// rendered writes one template anew: the same keys and values in the same order, without comments.
func rendered(it item) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(asYAML(it.root)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func asYAML(n *node) *yaml.Node {
	switch n.kind {
	case mapping:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range n.fields {
			out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: tagString, Value: f.key}, asYAML(f.value))
		}
		return out
	case sequence:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			out.Content = append(out.Content, asYAML(item))
		}
		return out
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: n.tag, Value: n.text}
	}
}

// renderedJSON is rendered for the strings that the YAML library does not write as it reads them.
func renderedJSON(it item) ([]byte, error) {
	var b bytes.Buffer
	writeJSON(&b, it.root, "\n")
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// writeJSON writes every scalar as a string, for that keeps its text; to a template it says the same.
func writeJSON(b *bytes.Buffer, n *node, newline string) {
	switch n.kind {
	case mapping:
		writeList(b, "{", "}", newline, len(n.fields), func(i int, newline string) {
			b.WriteString(doubleQuoted(n.fields[i].key) + ": ")
			writeJSON(b, n.fields[i].value, newline)
		})
	case sequence:
		writeList(b, "[", "]", newline, len(n.items), func(i int, newline string) { writeJSON(b, n.items[i], newline) })
	default:
		if n.null() {
			b.WriteString("null")
			return
		}
		b.WriteString(doubleQuoted(n.text))
	}
}

func writeList(b *bytes.Buffer, left, right, newline string, n int, each func(i int, newline string)) {
	b.WriteString(left)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(newline + "  ")
		each(i, newline+"  ")
	}
	if n > 0 {
		b.WriteString(newline)
	}
	b.WriteString(right)
}
