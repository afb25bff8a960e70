package template

import "bytes"

// chunk is the part of a source that holds one YAML document, or a sequence of JSON values.
type chunk struct{ start, end int }

// split cuts a source into documents at the lines that YAML itself takes for boundaries wherever they stand: `---` and
// `...` in the first column. One at a time goes to the YAML library, which needs a hundred times the memory of a text.
func split(s *source) []chunk {
	var chunks []chunk
	start, end := s.body()
	// prologue: so far there were only comments, directives and blank lines, which belong to the document that follows.
	prologue := true
	for off := start; off < end; {
		next := off + lineLength(s.text[off:end])
		line := s.text[off:next]
		switch {
		case isBoundary(line, "---"):
			if !prologue {
				chunks = append(chunks, chunk{start, off})
				start = off
			}
			prologue = false
		case isBoundary(line, "..."):
			chunks = append(chunks, chunk{start, next})
			start, prologue = next, true
		default:
			line = bytes.TrimSpace(line)
			prologue = prologue && (len(line) == 0 || line[0] == '#' || line[0] == '%')
		}
		off = next
	}
	return append(chunks, chunk{start, end})
}

// isBoundary reports whether a line begins with the marker as a word of its own.
func isBoundary(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// lineLength is the length of the first line, with its end.
func lineLength(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}
