package template

import (
	"strconv"
	"strings"
)

// object is a map of the document whose keys are fixed, while it is read.
type object struct {
	*reader
	path string
	// off is where the map is spoken of: at its key, or at its beginning if it has none.
	off    int
	fields map[string]member
}

// member is a field of an object, by its name.
type member struct {
	// path has the field as it is spelled in the document.
	path  string
	off   int
	value *node
}

// object reads the map at place; nil if n is none. What is unknown there, or stands there in two spellings, is a problem.
func (r *reader) object(n *node, path, place string, off int) *object {
	if n.kind != mapping {
		r.problem(n.off, path, "type", "wants a map, not %s", n.what())
		return nil
	}
	o := &object{reader: r, path: path, off: off, fields: map[string]member{}}
	names := map[string]string{}
	for _, k := range keysAt(place) {
		for _, spelling := range k {
			names[spelling] = k[0]
		}
	}
	for _, f := range n.fields {
		at := join(path, f.key)
		name, known := names[f.key]
		switch {
		case known:
			if first, twice := o.fields[name]; twice {
				r.problem(f.off, at, "two-spellings", "is the same field as %s at line %d: keep one", first.path, r.line(first.off))
				continue
			}
			o.fields[name] = member{path: at, off: f.off, value: f.value}
		case place == atRoot && strings.HasPrefix(f.key, "x-"):
			if word := nearest(f.key, []string{atExtension}); word != "" && len(r.warnings) < maxProblems {
				r.warn(f.off, at, "ignored-key", "is ignored; did you mean %s?", word)
			}
		case r.full():
		default:
			r.problem(f.off, at, "unknown-key", "unknown key%s", suggestion(f.key, place))
		}
	}
	return o
}

// suggestion is what the author of an unknown key may have meant.
func suggestion(word, place string) string {
	if near := nearest(word, spellings(place)); near != "" {
		return "; did you mean " + near + "?"
	}
	if other, ok := home(word); ok && other != place {
		if other == atRoot {
			return "; " + word + " belongs to the top level of the template"
		}
		return "; " + word + " belongs under " + other
	}
	return didYouMean(word, spellings(place))
}

func join(path, key string) string {
	if path == "" {
		return pathStep(key)
	}
	return path + "." + pathStep(key)
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// get returns a field; ok is false if it is absent or null, which say the same of an optional field.
func (o *object) get(name string) (m member, ok bool) {
	if o == nil {
		return member{}, false
	}
	m, ok = o.fields[name]
	return m, ok && !m.value.null()
}

// scalar returns a field's text as written; "" if it is absent, null, blank, or no scalar, which is a problem.
func (o *object) scalar(name string) (member, string) {
	m, ok := o.get(name)
	if !ok {
		return m, ""
	}
	if m.value.kind != scalar {
		o.problem(m.value.off, m.path, "type", "wants a string, not %s", m.value.what())
		return m, ""
	}
	if isBlank(m.value.text) {
		return m, ""
	}
	return m, m.value.text
}

// required is scalar for a field that must be there; what says what is wanted.
func (o *object) required(name, what string) (member, string) {
	if o == nil {
		return member{}, ""
	}
	m, present := o.fields[name]
	switch {
	case !present:
		o.problem(o.off, join(o.path, name), "required", "required: %s", what)
	case m.value.null():
		o.problem(m.off, m.path, "required", "required, but null: %s", what)
	case m.value.kind == scalar && isBlank(m.value.text):
		o.problem(m.off, m.path, "required", "required, but blank: %s", what)
	}
	return o.scalar(name)
}

// under returns the object of a field; nil if it is absent or null. What is required of it is a problem of the caller.
func (o *object) under(name, place string) *object {
	m, ok := o.get(name)
	if !ok {
		return nil
	}
	return o.object(m.value, m.path, place, m.off)
}

// need is under for a field that must be there.
func (o *object) need(name, place string) *object {
	if o == nil {
		return nil
	}
	m, ok := o.get(name)
	if !ok {
		off, path := o.off, join(o.path, name)
		if m.value != nil {
			off, path = m.off, m.path
		}
		o.problem(off, path, "required", "required: a map")
		return nil
	}
	return o.object(m.value, m.path, place, m.off)
}

// boolean reads true or false; false if the field is absent.
func (o *object) boolean(name string) bool {
	m, text := o.scalar(name)
	switch strings.ToLower(text) {
	case "", "false":
		return false
	case "true":
		return true
	}
	o.problem(m.value.off, m.path, "boolean", "wants true or false, not %s", short(text))
	return false
}

// whole reads a whole number from low to high; 0 if the field is absent, or wrong, which is a problem.
func (o *object) whole(name string, low, high int) int {
	m, text := o.scalar(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high || strconv.Itoa(n) != text {
		o.problem(m.value.off, m.path, "range", "wants a whole number from %d to %d, not %s", low, high, short(text))
		return 0
	}
	return n
}

// entries reads a map whose keys are the author's; each is called with its path, in the order of the document.
func (o *object) entries(name string, each func(path string, f field)) {
	m, ok := o.get(name)
	if !ok {
		return
	}
	if m.value.kind != mapping {
		o.problem(m.value.off, m.path, "type", "wants a map, not %s", m.value.what())
		return
	}
	for _, f := range m.value.fields {
		each(join(m.path, f.key), f)
	}
}
