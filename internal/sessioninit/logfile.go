package sessioninit

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
)

// logFile is the newest part of the log on disk. What cannot be written is counted and given up: the step goes on.
type logFile struct {
	dir  *os.File
	name string
	// partMax bounds one part.
	partMax int64
	file    *os.File
	size    int64
	// lost counts the lines that could not be written since the last that could; why is the last cause.
	lost int64
	why  error
}

// write appends whole lines.
func (l *logFile) write(data []byte, lines int64) {
	if l.lost > 0 {
		note := initLine("log: " + strconv.FormatInt(l.lost, 10) + " lines lost: " + causeText(l.why))
		if l.append(note) != nil {
			l.lost += lines
			return
		}
		l.lost = 0
	}
	if err := l.append(data); err != nil {
		l.lost += lines
		l.why = err
	}
}

// append writes data whole or not at all.
func (l *logFile) append(data []byte) error {
	if err := l.ready(int64(len(data))); err != nil {
		return err
	}
	n, err := l.file.Write(data)
	if err != nil {
		if n > 0 {
			l.file.Truncate(l.size) //nolint:errcheck // a torn line is marked as damaged by its reader
		}
		return err
	}
	l.size += int64(n)
	return nil
}

// ready makes file a part with room for size bytes. The session's code may remove or cut the file at any time.
func (l *logFile) ready(size int64) error {
	if l.file != nil {
		var st unix.Stat_t
		err := control(l.file, func(fd int) error { return unix.Fstat(fd, &st) })
		if err != nil || st.Nlink == 0 {
			l.file.Close() //nolint:errcheck // it is gone
			l.file = nil
		}
		l.size = st.Size
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size > 0 && l.size+size > l.partMax {
		return l.rotate()
	}
	return nil
}

func (l *logFile) open() error {
	f, err := beneath.Regular(l.dir, l.name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close() //nolint:errcheck // nothing was written
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// rotate begins a new part. If a name is blocked (by a directory, say), the newest part is cut instead: the bound holds.
func (l *logFile) rotate() error {
	for i := sessionlog.Parts - 1; i > 0; i-- {
		older, newer := sessionlog.PartName(l.name, i), sessionlog.PartName(l.name, i-1)
		err := control(l.dir, func(at int) error { return unix.Renameat(at, newer, at, older) })
		if err != nil && i == 1 {
			l.size = 0
			return l.file.Truncate(0)
		}
	}
	l.file.Close() //nolint:errcheck // write errors were seen at once: it is not buffered
	l.file = nil
	return l.open()
}

// limit sets the bound of all parts together.
func (l *logFile) limit(total int64) {
	if total == 0 {
		total = job.DefaultLogMaxBytes
	}
	l.partMax = max(total, job.MinLogMaxBytes) / sessionlog.Parts
}

// initLine is a line of our own.
func initLine(text string) []byte {
	return sessionlog.Line{Time: time.Now(), Step: "init", Stream: sessionlog.Init, Text: []byte(text)}.Append(nil)
}

// causeText is an error without the path, nil included.
func causeText(err error) string {
	if err == nil {
		return "the disk was too slow"
	}
	return cause(err)
}
