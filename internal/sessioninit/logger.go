package sessioninit

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// logQueue is how many entries may wait for the disk, each of at most about logEntry bytes.
	logQueue = 16
	logEntry = 32 << 10
	// logStall is how long a step's output is held back by a disk that does not get on; then it is dropped until it does.
	logStall = time.Second
)

// entry is some whole lines of the log.
type entry struct {
	data  []byte
	lines int64
	// limit, if positive, sets the bound of the log; flushed, if not nil, is closed when all before it is written.
	limit int64
}

// logger brings lines to the disk, in order, in a goroutine of its own: a disk that hangs stops nobody else.
type logger struct {
	queue chan entry
	done  chan struct{}
	file  logFile
	// stalled is true from when the queue did not move for logStall until it moves.
	stalled atomic.Bool
	// dropped counts lines that never got into the queue; lost those that the file could not take.
	dropped, lost atomic.Int64
	// mu guards closed: the queue is closed once, and not written to afterwards.
	mu     sync.RWMutex
	closed bool
}

func newLogger(dir *os.File, name string) *logger {
	l := &logger{queue: make(chan entry, logQueue), done: make(chan struct{}), file: logFile{dir: dir, name: name}}
	l.file.limit(0)
	return l
}

// run writes until close.
func (l *logger) run() {
	defer close(l.done)
	var told int64
	for e := range l.queue {
		l.stalled.Store(false)
		if e.limit > 0 {
			l.file.limit(e.limit)
		}
		if d := l.dropped.Load(); d != told {
			l.file.lost += d - told
			told = d
		}
		before := l.file.lost
		if len(e.data) > 0 {
			l.file.write(e.data, e.lines)
		}
		if grown := l.file.lost - before; grown > 0 {
			l.lost.Add(grown)
		}
	}
}

// put hands lines over. It waits as long as the disk gets on, and no longer.
func (l *logger) put(e entry) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return
	}
	select {
	case l.queue <- e:
		return
	default:
	}
	if !l.stalled.Load() {
		t := time.NewTimer(logStall)
		defer t.Stop()
		select {
		case l.queue <- e:
			return
		case <-t.C:
			l.stalled.Store(true)
		}
	}
	l.dropped.Add(e.lines)
}

// say puts a line of our own.
func (l *logger) say(text string) { l.put(entry{data: initLine(text), lines: 1}) }

// limit bounds the log.
func (l *logger) limit(total int64) { l.put(entry{limit: total}) }

// lostLines counts all lines that are not in the log though they were output.
func (l *logger) lostLines() int64 { return l.dropped.Load() + l.lost.Load() }

// close writes what waits.
func (l *logger) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	<-l.done
}
