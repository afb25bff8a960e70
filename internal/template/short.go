package template

import (
	"strconv"
	"strings"
)

// maxQuoted bounds what a message repeats of the document, in characters.
const maxQuoted = 60

// short quotes what an author wrote, so that a message stays one line.
func short(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		s = string(r[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}

// isBlank reports whether an author wrote nothing to speak of. White space is what \s is in a JSON Schema on every engine.
func isBlank(s string) bool { return strings.Trim(s, " \t\r\n\f") == "" }
