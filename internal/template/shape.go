package template

import "slices"

// Keys around a template.
const (
	keyWrapper = "session_templates"
	keyItem    = "template"
)

// item is one template of a source, before it is read.
type item struct {
	root *node
	// tree is the document that it stands in, list the sequence that it is the index-th item of, nil if in none.
	tree  *tree
	list  *node
	index int
}

// items finds the templates of a document in whatever shape it is.
func (r *reader) items(t *tree) []item {
	n := t.root
	switch {
	case n.kind == sequence:
		return r.list(t, n, "", n.off)
	case n.kind != mapping:
		r.problem(n.off, "", "not-a-template", "wants a session template, which is a map, not %s", n.what())
		return nil
	case n.value(keyWrapper) != nil:
		return r.wrapper(t)
	case n.value(keyItem) != nil:
		return r.item(item{root: n, tree: t}, "")
	}
	// A bare template; but a map that has none of its keys is a misspelt wrapper rather than one with many faults.
	for _, f := range n.fields {
		if slices.Contains(spellings(atRoot), f.key) {
			return []item{{root: n, tree: t}}
		}
	}
	for _, f := range n.few() {
		if word := nearest(f.key, []string{keyWrapper, keyItem}); word != "" {
			r.problem(f.off, f.key, "unknown-key", "unknown key; did you mean %s?", word)
			return nil
		}
	}
	return []item{{root: n, tree: t}}
}

// wrapper reads the documented form: a map with the list session_templates.
func (r *reader) wrapper(t *tree) []item {
	for _, f := range t.root.fields {
		r.onlyKey(f, f.key, keyWrapper)
	}
	n := t.root.value(keyWrapper)
	if n.kind != sequence {
		r.problem(n.off, keyWrapper, "not-a-template", "wants a list of '- template:', not %s", n.what())
		return nil
	}
	return r.list(t, n, keyWrapper, t.root.off)
}

func (r *reader) list(t *tree, n *node, path string, off int) []item {
	if len(n.items) == 0 {
		r.problem(off, path, "empty", "the list has no template")
	}
	var all []item
	for i, root := range n.items {
		at := index(path, i)
		if root.kind != mapping || root.value(keyItem) == nil && !misspelt(root) {
			r.problem(root.off, at, "not-a-template", "wants '- template:' with a map")
			continue
		}
		all = append(all, r.item(item{root: root, tree: t, list: n, index: i}, at)...)
	}
	return all
}

// misspelt reports whether a key of an item is nearly the one that it should be.
func misspelt(n *node) bool {
	for _, f := range n.few() {
		if nearest(f.key, []string{keyItem}) != "" {
			return true
		}
	}
	return false
}

// few are the first keys of a map: around a template there are hardly more than one, and guessing takes its time.
func (n *node) few() []field { return n.fields[:min(len(n.fields), 10)] }

// item reads the map around one template.
func (r *reader) item(i item, path string) []item {
	for _, f := range i.root.fields {
		r.onlyKey(f, join(path, f.key), keyItem)
	}
	n := i.root.value(keyItem)
	switch {
	case n == nil:
		return nil
	case n.kind != mapping:
		r.problem(n.off, join(path, keyItem), "not-a-template", "wants a map, not %s", n.what())
		return nil
	}
	i.root = n
	return []item{i}
}

// onlyKey notes a key other than the one that belongs around templates. As in a template, x-anything is for its author.
func (r *reader) onlyKey(f field, path, want string) {
	switch {
	case f.key == want:
	case f.key == atExtension:
		r.problem(f.off, path, "unknown-key", "x-agentd belongs inside of the template, beside api_version")
	case len(f.key) > 2 && f.key[:2] == "x-":
	case r.full():
	case slices.Contains(spellings(atRoot), f.key):
		r.problem(f.off, path, "unknown-key", "unknown key; %s belongs inside of the template", f.key)
	default:
		r.problem(f.off, path, "unknown-key", "unknown key%s", didYouMean(f.key, []string{want}))
	}
}
