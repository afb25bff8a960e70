package checkout

import (
	"path"
	"slices"
	"strings"
)

// attributes are those of one .gitattributes and, behind it, of the directories above (gitattributes(5)).
type attributes struct {
	parent *attributes
	dir    string // "" or with a slash at the end
	rules  []attributeRule
	// macros are defined by the root's file only; binary is git's own.
	macros map[string][]attribute
}

// attributeRule is one line.
type attributeRule struct {
	pattern []string // segments of a path; one is for the file's name alone
	whole   bool     // the pattern has a slash, and is for the path from dir
	set     []attribute
}

// attribute is a name and what is said of it: "+" set, "-" unset, "!" unspecified, or "=" and a value.
type attribute struct{ name, state string }

// maxRules keeps hostile files from costing every other file much time.
const maxRules = 10_000

// parseAttributes reads a file; lines that are wrong are passed over, as git does with a warning.
func parseAttributes(text, dir string, parent *attributes) *attributes {
	a := &attributes{parent: parent, dir: dir}
	if parent != nil {
		a.macros = parent.macros
	} else {
		a.macros = map[string][]attribute{"binary": {{"diff", "-"}, {"merge", "-"}, {"text", "-"}}}
	}
	for line := range strings.Lines(text) {
		pattern, rest := splitPattern(strings.Trim(line, " \t\r\n"))
		if pattern == "" || strings.HasPrefix(pattern, "#") || strings.HasPrefix(pattern, "!") || len(a.rules) >= maxRules {
			continue
		}
		set := parseStates(rest)
		if name, ok := strings.CutPrefix(pattern, "[attr]"); ok {
			if dir == "" {
				a.macros[name] = set
			}
			continue
		}
		if strings.HasSuffix(pattern, "/") {
			continue // for directories, which have no attributes
		}
		r := attributeRule{whole: strings.Contains(pattern, "/"), set: set}
		r.pattern = strings.Split(strings.ReplaceAll(strings.TrimPrefix(pattern, "/"), "[!", "[^"), "/")
		a.rules = append(a.rules, r)
	}
	return a
}

// splitPattern cuts a line after the pattern, which may be in quotes.
func splitPattern(line string) (pattern, rest string) {
	if !strings.HasPrefix(line, `"`) {
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			return line, ""
		}
		return line[:i], line[i:]
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; c {
		case '"':
			return b.String(), line[i+1:]
		case '\\':
			if i++; i < len(line) {
				b.WriteByte(line[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", ""
}

func parseStates(text string) []attribute {
	var set []attribute
	for word := range strings.FieldsSeq(text) {
		name, value, valued := strings.Cut(word, "=")
		switch {
		case valued:
			set = append(set, attribute{name, "=" + value})
		case strings.HasPrefix(word, "-"), strings.HasPrefix(word, "!"):
			set = append(set, attribute{word[1:], word[:1]})
		default:
			set = append(set, attribute{word, "+"})
		}
	}
	return set
}

// of returns the states of a file's attributes: the deepest file counts most, and in it the last line.
func (a *attributes) of(file string) map[string]string {
	found := map[string]string{}
	for ; a != nil; a = a.parent {
		segments := strings.Split(strings.TrimPrefix(file, a.dir), "/")
		for _, r := range slices.Backward(a.rules) {
			if r.matches(segments) {
				a.decide(found, r.set, 0)
			}
		}
	}
	return found
}

// maxMacro bounds macros in macros.
const maxMacro = 8

func (a *attributes) decide(found map[string]string, set []attribute, depth int) {
	for _, s := range slices.Backward(set) {
		if _, decided := found[s.name]; decided {
			continue
		}
		found[s.name] = s.state
		if macro, ok := a.macros[s.name]; ok && s.state == "+" && depth < maxMacro {
			a.decide(found, macro, depth+1)
		}
	}
}

func (r attributeRule) matches(segments []string) bool {
	if !r.whole {
		return matchOne(r.pattern[0], segments[len(segments)-1])
	}
	return matchSegments(r.pattern, segments)
}

// matchSegments compares segment by segment; "**" stands for any number of them, and for one at least at the end.
func matchSegments(pattern, segments []string) bool {
	p, s, star, mark := 0, 0, -1, 0
	for s < len(segments) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			if star, mark = p, s; p == len(pattern)-1 {
				return true
			}
			p++
		case p < len(pattern) && matchOne(pattern[p], segments[s]):
			p, s = p+1, s+1
		case star >= 0:
			mark++
			p, s = star+1, mark
		default:
			return false
		}
	}
	return p == len(pattern)
}

func matchOne(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), name)
	return ok && err == nil
}
