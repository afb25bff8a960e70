package sessioninit

import (
	"bytes"
	"time"

	"agentd/internal/sessionlog"
)

// splitter makes lines of the log from one stream of one step.
type splitter struct {
	step   string
	stream sessionlog.Stream
	put    func(entry)
	// rest is the begin of a line whose end has not come.
	rest []byte
	// prefix is what all lines of one write begin with; buf and lines are what is not put yet.
	prefix, buf []byte
	lines       int64
}

// write takes output; all of it has the time at.
func (s *splitter) write(at time.Time, data []byte) {
	s.prefix = sessionlog.AppendPrefix(s.prefix[:0], at, s.step, s.stream)
	for len(data) > 0 {
		line, after, whole := bytes.Cut(data, []byte{'\n'})
		room := sessionlog.MaxText - len(s.rest)
		switch {
		case len(line) > room:
			s.emit(line[:room], true)
			data = data[room:]
		case whole:
			s.emit(line, false)
			data = after
		default:
			s.rest = append(s.rest, line...)
			data = nil
		}
	}
	s.flush()
}

// pause says that nothing came for a while: what is there of a line, a prompt perhaps, shall be seen.
func (s *splitter) pause(at time.Time) {
	if len(s.rest) == 0 {
		return
	}
	s.prefix = sessionlog.AppendPrefix(s.prefix[:0], at, s.step, s.stream)
	s.emit(nil, true)
	s.flush()
}

// emit adds rest and text as one line.
func (s *splitter) emit(text []byte, partial bool) {
	s.buf = append(s.buf, s.prefix...)
	if len(s.rest) > 0 {
		s.rest = append(s.rest, text...)
		text = s.rest
	}
	s.buf = sessionlog.AppendText(s.buf, text, partial)
	s.rest = s.rest[:0]
	s.lines++
	if len(s.buf) >= logEntry {
		s.flush()
	}
}

func (s *splitter) flush() {
	if s.lines == 0 {
		return
	}
	s.put(entry{data: s.buf, lines: s.lines})
	s.buf, s.lines = nil, 0 // the buffer is the logger's now
}
