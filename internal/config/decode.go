package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"agentd/internal/errs"
)

// decoder reads nodes into a Config, and goes on after a problem to find the next one.
type decoder struct {
	file     string
	problems []errs.Problem
	// set holds the paths of the keys that have a value in the file.
	set map[string]bool
}

// place is a node and its dotted path.
type place struct {
	node *yaml.Node
	path string
}

func (d *decoder) report(p place, rule, format string, args ...any) {
	problem := errs.Problem{File: d.file, Path: p.path, Rule: rule, Message: fmt.Sprintf(format, args...)}
	if p.node != nil {
		problem.Line, problem.Column = p.node.Line, p.node.Column
	}
	d.problems = append(d.problems, problem)
}

func (d *decoder) document(text []byte, c *Config) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return
	}
	if err == nil {
		if err = dec.Decode(&next); err == nil {
			d.report(place{node: &next}, "one-document", "a configuration is one document: this is a second one")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		d.syntax(err)
		return
	}
	d.value(place{node: doc.Content[0]}, reflect.ValueOf(c).Elem(), "")
}

// syntax reports an error of the YAML library, whose text begins with the line if it knows it.
func (d *decoder) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	p := place{}
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(message); m != nil {
		if line, convErr := strconv.Atoi(m[1]); convErr == nil {
			p.node = &yaml.Node{Line: line, Column: 1}
		}
		message = m[2]
	}
	d.report(p, "syntax", "not YAML: %s", message)
}

// value reads a node into v, within the bounds of tag. A null leaves the default.
func (d *decoder) value(p place, v reflect.Value, tag reflect.StructTag) {
	switch {
	case p.node.Kind == yaml.AliasNode || p.node.Anchor != "":
		d.report(p, "alias", "anchors and aliases are not supported: write the value out")
		return
	case p.node.Kind == yaml.ScalarNode && p.node.ShortTag() == "!!null":
		return
	}
	d.set[p.path] = true
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(p, v)
	case reflect.Map:
		d.entries(p, v, tag)
	case reflect.Slice:
		d.list(p, v, tag)
	default:
		d.scalar(p, v, tag)
	}
}

// pairs walks the keys of a mapping; a key that stands twice is a problem, and the second is not read.
func (d *decoder) pairs(p place, each func(key *yaml.Node, val place)) {
	if p.node.Kind != yaml.MappingNode {
		d.report(p, "type", "must be a mapping of keys to values, not %s", kindOf(p.node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		key, val := p.node.Content[i], p.node.Content[i+1]
		path := strings.TrimPrefix(p.path+"."+key.Value, ".")
		if line, twice := seen[key.Value]; twice {
			d.report(place{key, path}, "duplicate-key", "stands already at line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, place{val, path})
	}
}

func (d *decoder) mapping(p place, v reflect.Value) {
	d.pairs(p, func(key *yaml.Node, val place) {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("yaml") == key.Value {
				d.value(val, v.Field(i), f.Tag)
				return
			}
		}
		known := keys(v.Type())
		if near := nearest(key.Value, known); near != "" {
			d.report(place{key, val.path}, "unknown-key", "no such key: %s?", near)
			return
		}
		d.report(place{key, val.path}, "unknown-key", "no such key; there are: %s", strings.Join(known, ", "))
	})
	if p.node.Kind != yaml.MappingNode {
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Tag.Get("needed") != "" && v.Field(i).IsZero() {
			d.report(p, "required", "needs %s", f.Tag.Get("yaml"))
		}
	}
}

func (d *decoder) entries(p place, v reflect.Value, tag reflect.StructTag) {
	m := reflect.MakeMap(v.Type())
	d.pairs(p, func(key *yaml.Node, val place) {
		name := reflect.New(v.Type().Key()).Elem()
		d.scalar(place{key, val.path}, name, tag)
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(val, element, tag)
		m.SetMapIndex(name, element)
	})
	v.Set(m)
}

func (d *decoder) list(p place, v reflect.Value, tag reflect.StructTag) {
	if p.node.Kind != yaml.SequenceNode {
		d.report(p, "type", "must be a list, not %s", kindOf(p.node))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(p.node.Content), len(p.node.Content))
	for i, n := range p.node.Content {
		d.value(place{n, p.path + "[" + strconv.Itoa(i) + "]"}, list.Index(i), tag)
	}
	v.Set(list)
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}
