// Package auditlog keeps the record of who did what: a line for each event, in files of bounded size.
package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"agentd/internal/api"
	"agentd/internal/layout"
)

// syncAfter is how long an entry may be in the kernel's memory only: a killed agentd loses none, a power cut those of
// this time.
const syncAfter = time.Second

// Log is the record. Each user has files of his own, so that nobody can push another's entries out by being busy.
type Log struct {
	dir layout.Audit
	// max bounds one user's two files together.
	max int64
	now func() time.Time

	// mu orders what is written, and guards what follows.
	mu     sync.Mutex
	dirty  map[uint32]bool
	timer  *time.Timer
	closed bool
	recent recent
	// failed gets what went wrong when the entries were made durable, some time later.
	failed func(error)
}

// Open makes the directory if it is not there. max bounds the bytes that one user's entries take; failed is called with
// what goes wrong behind the callers' backs.
func Open(dir layout.Audit, max int64, now func() time.Time, failed func(error)) (*Log, error) {
	err := os.Mkdir(string(dir), layout.ModePrivateDir)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the directory of the audit record: %w", err)
	}
	return &Log{dir: dir, max: max, now: now, failed: failed, dirty: map[uint32]bool{}, recent: recent{}}, nil
}

// Append adds an entry, and says whether it did: one that may be left out is, if one like it was written within a minute.
// It has been given to the kernel when Append returns, and outlives the end of agentd.
func (l *Log) Append(e api.AuditEntry, mayLeaveOut bool) (written bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mayLeaveOut {
		var again bool
		if e.Repeated, again = l.recent.again(e, l.now()); again {
			return false, nil
		}
	}
	line, err := json.Marshal(e)
	if err != nil {
		return false, fmt.Errorf("encode an audit entry: %w", err)
	}
	if err := l.write(e.UID, append(line, '\n')); err != nil {
		return false, fmt.Errorf("write the audit record: %w", err)
	}
	l.dirty[e.UID] = true
	if l.timer == nil && !l.closed {
		l.timer = time.AfterFunc(syncAfter, l.flush)
	}
	return true, nil
}

// write adds a line to a user's file, and puts that away if it is full.
func (l *Log) write(uid uint32, line []byte) error {
	f, err := os.OpenFile(l.dir.Current(uid), os.O_CREATE|os.O_RDWR|os.O_APPEND, layout.ModePrivate)
	if err != nil {
		return err //nolint:wrapcheck // it names the file and the step
	}
	defer f.Close() //nolint:errcheck // what was written is the kernel's
	info, err := f.Stat()
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	if torn(f, info.Size()) {
		// A full disk or a power cut left half a line: it harms itself alone.
		line = append([]byte{'\n'}, line...)
	}
	if n, err := f.Write(line); err != nil || info.Size()+int64(n) <= l.max/2 {
		return err //nolint:wrapcheck // as above
	}
	return errors.Join(f.Sync(), os.Rename(l.dir.Current(uid), l.dir.Previous(uid)))
}

// torn reports whether a file ends within a line.
func torn(f *os.File, size int64) bool {
	last := [1]byte{'\n'}
	if size > 0 {
		f.ReadAt(last[:], size-1) //nolint:errcheck // an empty line more is no harm
	}
	return last[0] != '\n'
}

// flush makes what was written durable.
func (l *Log) flush() {
	l.mu.Lock()
	dirty := l.dirty
	l.dirty, l.timer = map[uint32]bool{}, nil
	l.mu.Unlock()
	for uid := range dirty {
		if err := syncFile(l.dir.Current(uid)); err != nil {
			l.failed(err)
		}
	}
	if len(dirty) > 0 {
		if err := syncFile(string(l.dir)); err != nil {
			l.failed(err)
		}
	}
}

// syncFile syncs a file, or directory; one that is gone was put away, and synced then.
func syncFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sync the audit record: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close makes all durable.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.flush()
	return nil
}
