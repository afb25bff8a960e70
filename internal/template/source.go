package template

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// source is what [Parse] was given, and finds line and column of an offset in it.
type source struct {
	file string
	text []byte
	// lines are the offsets of the first byte of every line, as an editor and grep count them.
	lines []int
}

func newSource(file string, text []byte) *source {
	s := &source{file: file, text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// place returns line and column, from 1, of a byte; columns count characters, a byte order mark is none.
func (s *source) place(off int) (line, column int) {
	line = s.line(off)
	before := bytes.TrimPrefix(s.text[s.lines[line-1]:off], []byte(byteOrderMark))
	return line, utf8.RuneCount(before) + 1
}

// line returns the line of a byte, from 1.
func (s *source) line(off int) int { return sort.SearchInts(s.lines, off+1) }

// lineStart returns the offset of the first byte of the line that off is in.
func (s *source) lineStart(off int) int { return s.lines[s.line(off)-1] }

// byteOrderMark is accepted at the very beginning, in UTF-8.
const byteOrderMark = "\uFEFF"

// body returns the range of the text without a byte order mark.
func (s *source) body() (start, end int) {
	if bytes.HasPrefix(s.text, []byte(byteOrderMark)) {
		return len(byteOrderMark), len(s.text)
	}
	return 0, len(s.text)
}
