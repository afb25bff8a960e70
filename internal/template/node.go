package template

// kind is what a node of a document is.
type kind string

// The kinds, in the words of messages.
const (
	scalar   kind = "a string"
	mapping  kind = "a map"
	sequence kind = "a list"
)

// node is a value of a document, from YAML or JSON, with its place. Aliases and merge keys are resolved.
type node struct {
	kind kind
	// off is the offset of the first byte; end that after the last, known for JSON only.
	off, end int
	// tag is the YAML tag of a scalar: !!str, !!int, !!float, !!bool or !!null.
	tag string
	// text is a scalar as written, after the unquoting.
	text string
	// plain is true of a scalar without quotes.
	plain bool
	// aliased is true of what an alias or a merge key brought here: it stands elsewhere in the text.
	aliased bool
	// flow is true of a collection in brackets.
	flow   bool
	fields []field
	items  []*node
}

// field is one key of a mapping, in the order of the document.
type field struct {
	key   string
	off   int
	value *node
}

// null reports whether a node is absent or says so.
func (n *node) null() bool { return n == nil || n.kind == scalar && n.tag == tagNull }

// Tags of scalars.
const (
	tagString = "!!str"
	tagInt    = "!!int"
	tagFloat  = "!!float"
	tagBool   = "!!bool"
	tagNull   = "!!null"
)

// what a node is, in the words of messages.
func (n *node) what() string {
	if n.null() {
		return "null"
	}
	return string(n.kind)
}

// value returns the value of a key, nil if there is none.
func (n *node) value(key string) *node {
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// same reports whether two trees say the same, whatever the style and place; at the node other only the kind counts.
func (n *node) same(m *node, except *node) bool {
	if n.kind != m.kind || len(n.fields) != len(m.fields) || len(n.items) != len(m.items) {
		return false
	}
	if n.kind == scalar && n != except && (n.text != m.text || n.tag != m.tag) {
		return false
	}
	for i, f := range n.fields {
		if f.key != m.fields[i].key || !f.value.same(m.fields[i].value, except) {
			return false
		}
	}
	for i, item := range n.items {
		if !item.same(m.items[i], except) {
			return false
		}
	}
	return true
}
