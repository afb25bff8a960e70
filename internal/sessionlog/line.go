// Package sessionlog is the format of a session's log, and its reader for hostile ground.
//
// A line of the log is
//
//	2026-01-02T03:04:05.123456789Z startup o text of the output
//
// time in UTC with nine digits, step, stream, text: one space between them, text as it was written, with control
// characters and invalid UTF-8. The stream is a letter: o standard output, e standard error, i agentd-init's own words.
// A + behind it says that the text goes on in the next line of that step and stream without a line feed: the output was
// longer than MaxText, or it ended or paused without one.
//
// The log has Parts parts: log is the newest, log.1 the one before, and so on. A full part is renamed, log to log.1, the
// oldest is replaced, and a new log begins; no line is in two parts. So who follows keeps the open file, reads it to its
// end when the name log has got another inode, looks its own inode up among the older names, and goes on with the next
// newer one.
package sessionlog

import (
	"bytes"
	"strconv"
	"time"
)

// Limits of the format.
const (
	// Parts is how many files hold the log.
	Parts = 4
	// MaxText is the longest text of a line, in bytes.
	MaxText = 16 << 10
	// MaxLine bounds a line with all that comes before its text.
	MaxLine = MaxText + 128
)

// Stream says where a line came from.
type Stream byte

// The streams.
const (
	Stdout Stream = 'o'
	Stderr Stream = 'e'
	Init   Stream = 'i'
	// Damaged marks what is not in the format: the session's code can write to the file.
	Damaged Stream = '?'
)

// timeFormat has always nine digits, so that lines align and sort.
const timeFormat = "2006-01-02T15:04:05.000000000Z"

// Line is one line of the log.
type Line struct {
	Time   time.Time
	Step   string
	Stream Stream
	// Partial is true if no line feed belongs behind the text.
	Partial bool
	Text    []byte
}

// Append appends the line to dst as the log holds it, line feed included. The text must not have one.
func (l Line) Append(dst []byte) []byte {
	dst = AppendPrefix(dst, l.Time, l.Step, l.Stream)
	return AppendText(dst, l.Text, l.Partial)
}

// AppendPrefix appends what comes before the mark and the text; a writer of many lines of one moment reuses it.
func AppendPrefix(dst []byte, at time.Time, step string, s Stream) []byte {
	dst = at.UTC().AppendFormat(dst, timeFormat)
	dst = append(dst, ' ')
	dst = append(dst, step...)
	return append(dst, ' ', byte(s))
}

// AppendText appends the rest of a line.
func AppendText(dst, text []byte, partial bool) []byte {
	if partial {
		dst = append(dst, '+')
	}
	dst = append(dst, ' ')
	dst = append(dst, text...)
	return append(dst, '\n')
}

// Parse reads a line without its line feed. What is not in the format is a line of the stream Damaged with all of it as
// its text. The text is part of raw.
func Parse(raw []byte) Line {
	damaged := Line{Stream: Damaged, Text: raw}
	stamp, rest, ok := bytes.Cut(raw, []byte{' '})
	if !ok || len(stamp) != len(timeFormat) {
		return damaged
	}
	at, err := time.Parse(timeFormat, string(stamp))
	if err != nil || !bytes.Equal(at.AppendFormat(make([]byte, 0, len(timeFormat)), timeFormat), stamp) {
		return damaged // the second: Go takes a comma for the point, and a sign among the digits
	}
	step, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(step) == 0 || len(step) > 32 || !plain(step) {
		return damaged
	}
	mark, text, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(mark) == 0 || len(mark) > 2 || len(mark) == 2 && mark[1] != '+' {
		return damaged
	}
	s := Stream(mark[0])
	if s != Stdout && s != Stderr && s != Init {
		return damaged
	}
	return Line{Time: at, Step: string(step), Stream: s, Partial: len(mark) == 2, Text: text}
}

func plain(step []byte) bool {
	for _, c := range step {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// PartName is the name of a part beside the newest, called name; 0 is the newest.
func PartName(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "." + strconv.Itoa(i)
}
