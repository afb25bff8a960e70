package template

import (
	"regexp"
	"strings"
)

// walk is what reading one document from YAML or JSON has in common: the budget, and the way to where it is.
type walk struct {
	*reader
	nodes, aliases int
	spent          bool
	// trail is the path from the root of the document.
	trail []string
}

// take counts one node; the first one too many, or too deep, is a problem, and ends the document.
func (w *walk) take(off int) bool {
	switch {
	case w.spent:
	case len(w.trail) > maxDepth:
		w.spent = true
		w.problem(off, "", "too-deep", "nested more than %d deep", maxDepth)
	case w.nodes >= maxNodes:
		w.spent = true
		w.problem(off, "", "too-many-nodes", "more than %d keys and values, counting what aliases repeat", maxNodes)
	default:
		w.nodes++
	}
	return !w.spent
}

// alias counts one alias.
func (w *walk) alias(off int) bool {
	if w.aliases++; w.aliases > maxAliases {
		w.spent = true
		w.problem(off, w.path(), "too-many-aliases", "more than %d aliases, counting what they repeat", maxAliases)
	}
	return !w.spent
}

func (w *walk) enter(step string) { w.trail = append(w.trail, step) }
func (w *walk) leave()            { w.trail = w.trail[:len(w.trail)-1] }

// wrapping is what stands before the path of a template's own field.
var wrapping = regexp.MustCompile(`^(session_templates)?(\[[0-9]+\])?\.?(template\.|template$)?`)

// path is the dotted path within the template.
func (w *walk) path() string {
	var b strings.Builder
	for _, step := range w.trail {
		if b.Len() > 0 && !strings.HasPrefix(step, "[") {
			b.WriteByte('.')
		}
		b.WriteString(pathStep(step))
	}
	return wrapping.ReplaceAllString(b.String(), "")
}

// pathStep shortens a key that is no word to what may be part of a path.
func pathStep(key string) string {
	if len(key) <= maxGuess && !strings.ContainsFunc(key, isControl) {
		return key
	}
	return short(key)
}

// nul notes a NUL character, which no program can be given.
func (w *walk) nul(off int, text string) {
	if strings.IndexByte(text, 0) >= 0 {
		w.problem(off, w.path(), "nul", "a NUL character cannot be part of a value")
	}
}

// keys notes keys that stand twice in a mapping, and drops all but the first.
func (w *walk) keys(n *node) {
	first := make(map[string]int, len(n.fields))
	kept := n.fields[:0]
	for _, f := range n.fields {
		if off, twice := first[f.key]; twice {
			w.enter(f.key)
			w.problem(f.off, w.path(), "duplicate-key", "the key %s stands already at line %d", short(f.key), w.line(off))
			w.leave()
			continue
		}
		first[f.key] = f.off
		kept = append(kept, f)
	}
	n.fields = kept
}
