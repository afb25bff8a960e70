package template

import "strconv"

// maxQuoted bounds what a message repeats of the document, in characters.
const maxQuoted = 60

// short quotes what an author wrote, so that a message stays one line.
func short(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		s = string(r[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}
