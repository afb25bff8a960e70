package template

import (
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of the search for the character at which a document is wrong, for it takes a dozen parses: the size of the document
// in bytes, and the number of problems before.
const (
	maxBisect      = 16 << 10
	maxBisectAfter = 20
)

// syntax notes what the YAML library says about a document. Its line is that where the surrounding block begins, one less
// for some errors, or missing: so the first character is looked for after which the same error is certain.
func (r *reader) syntax(c chunk, err error) {
	text, want := r.text[c.start:c.end], err.Error()
	line, message := cutLine(want)
	off := 0
	if len(text) <= maxBisect && len(r.problems) < maxBisectAfter {
		n := sort.Search(len(text), func(n int) bool {
			for n < len(text) && !utf8.RuneStart(text[n]) {
				n++
			}
			_, err := decodeYAML(text[:n])
			return err != nil && err.Error() == want
		})
		off = max(n-1, 0)
		for off > 0 && (!utf8.RuneStart(text[off]) || text[off] == '\n' || text[off] == '\r') {
			off--
		}
	} else if lines := yamlLines(text); line > 0 {
		off = lines[min(line, len(lines))-1]
	}
	tab := text[off] == '\t'
	r.problem(c.start+off, "", "syntax", "not YAML: %s", plainWords(message, tab))
}

// cutLine takes "yaml: line N: " off a message of the library.
func cutLine(s string) (line int, message string) {
	s = strings.TrimPrefix(s, "yaml: ")
	m := regexp.MustCompile(`^line ([0-9]+): (.*)$`).FindStringSubmatch(s)
	if m == nil {
		return 0, s
	}
	line, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, s
	}
	return line, m[2]
}

// plainWords says what the common messages of the library mean for the author.
func plainWords(message string, tab bool) string {
	for _, row := range []struct{ said, meant string }{
		{
			"mapping values are not allowed in this context",
			"a ': ' cannot be here: quote the value, or check the indentation and the line before",
		},
		{"did not find expected key", "this is no key of the map around it: check the indentation, the ':' and the quotes"},
		{"could not find expected ':'", "a key without its ':'"},
		{"did not find expected '-' indicator", "this is no item of the list around it: check the indentation"},
		{"block sequence entries are not allowed in this context", "a list cannot begin here: put the '-' on a line of its own"},
		{"found unexpected end of stream", "a quote that is never closed"},
		{"did not find expected ',' or ']'", "a '[' that is never closed, or a missing ','"},
		{"did not find expected ',' or '}'", "a '{' that is never closed, or a missing ','"},
		{"exceeded max depth", "nested too deep"},
	} {
		if strings.Contains(message, row.said) {
			return row.meant
		}
	}
	if strings.Contains(message, "cannot start any token") {
		if tab {
			return "a tab cannot indent: use spaces"
		}
		return "a value cannot begin with this character: quote it"
	}
	return message
}
