package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// json reads a chunk as a sequence of JSON values, as the library of YAML cannot: it refuses the \/ and the surrogate pairs
// of JSON, and tabs in some places. ok is false if it is not JSON; then it may be YAML in brackets.
func (r *reader) json(c chunk) (trees []tree, ok bool, err error) {
	j := &jsonReader{walk: walk{reader: r}, base: c.start, text: r.text[c.start:c.end]}
	j.decoder = json.NewDecoder(bytes.NewReader(j.text))
	j.decoder.UseNumber()
	problems := len(r.problems)
	for {
		j.walk = walk{reader: r}
		root, err := j.value()
		switch {
		case errors.Is(err, io.EOF):
			return trees, true, nil
		case err != nil:
			r.problems = r.problems[:problems]
			return nil, false, nil //nolint:nilerr // what is not JSON may be YAML, whose error is the one to show
		case root == nil:
			// Over budget: the problem is noted, and what follows is not worth reading.
			return nil, true, nil
		case len(trees) == maxDocuments:
			r.tooMany(root.off)
			return nil, true, nil
		case root.end-root.off > MaxDocumentBytes:
			return nil, true, r.documentTooLarge(root.off, root.end)
		}
		trees = append(trees, tree{root: root, start: root.off, end: root.end, json: true})
	}
}

type jsonReader struct {
	walk
	decoder *json.Decoder
	base    int
	text    []byte
}

// token returns the next token and its offset in the source.
func (j *jsonReader) token() (json.Token, int, error) {
	off := int(j.decoder.InputOffset())
	t, err := j.decoder.Token()
	for off < len(j.text) && strings.IndexByte(" \t\r\n,:", j.text[off]) >= 0 {
		off++
	}
	return t, j.base + off, err
}

// value reads one value; nil without an error means that the budget is spent.
func (j *jsonReader) value() (*node, error) {
	t, off, err := j.token()
	if err != nil {
		return nil, err
	}
	return j.node(t, off)
}

func (j *jsonReader) node(t json.Token, off int) (*node, error) {
	if !j.take(off) {
		return nil, nil
	}
	n := &node{kind: scalar, off: off, plain: true, flow: true}
	switch t := t.(type) {
	case json.Delim:
		var err error
		if t == '{' {
			err = j.object(n)
		} else {
			err = j.array(n)
		}
		if err != nil || j.spent {
			return nil, err
		}
	case string:
		n.tag, n.text, n.plain = tagString, t, false
		j.nul(off, t)
	case json.Number:
		n.tag, n.text = tagInt, t.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.tag = tagFloat
		}
	case bool:
		n.tag, n.text = tagBool, "false"
		if t {
			n.text = "true"
		}
	default:
		n.tag, n.text = tagNull, "null"
	}
	n.end = j.base + int(j.decoder.InputOffset())
	return n, nil
}

func (j *jsonReader) object(n *node) error {
	n.kind = mapping
	for j.decoder.More() {
		key, off, err := j.token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		j.nul(off, name)
		j.enter(name)
		value, err := j.value()
		j.leave()
		if err != nil || value == nil {
			return endless(err)
		}
		n.fields = append(n.fields, field{key: name, off: off, value: value})
	}
	_, err := j.decoder.Token()
	j.keys(n)
	return endless(err)
}

func (j *jsonReader) array(n *node) error {
	n.kind = sequence
	for j.decoder.More() {
		j.enter("[" + strconv.Itoa(len(n.items)) + "]")
		item, err := j.value()
		j.leave()
		if err != nil || item == nil {
			return endless(err)
		}
		n.items = append(n.items, item)
	}
	_, err := j.decoder.Token()
	return endless(err)
}

// endless tells an end within a value from the end of the values.
func endless(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
