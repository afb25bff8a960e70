package template

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"
)

// YAML turns JSON, which is YAML in another style, into the style that people read: the same values in the same order.
// It is here because this package is where YAML is known; ctl prints with it.
func YAML(json []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(json, &doc); err != nil {
		return nil, fmt.Errorf("read JSON as YAML: %w", err)
	}
	unstyle(&doc)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), nil
}

// unstyle lets the encoder choose how to write each node; what needs quotes to stay a string gets them.
func unstyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		unstyle(c)
	}
}
