package sessionlog

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// pause is the least time between two looks: a session that does nothing but change its directory costs us no more.
const pause = 10 * time.Millisecond

// follow reads what is added, over rotations, until the session has ended.
func (r *reader) follow(ctx context.Context, events *watch) error {
	rest := time.NewTimer(pause)
	defer rest.Stop()
	for ended := false; ; {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		if ended {
			return r.flush()
		}
		rest.Reset(pause)
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
		select {
		case <-events.changed:
		case <-r.o.Ended:
			ended = true // one more look: all was written before
		case <-ctx.Done():
			return errs.New(errs.Canceled, "log: %w", context.Cause(ctx))
		}
	}
}

// catchUp reads the current part to its end, then every newer one. More rotations in a row than there are parts mean
// that lines are lost to us, as they are to everybody; a bound on the steps keeps a hostile renamer from holding us.
func (r *reader) catchUp(ctx context.Context) error {
	for range 4 * Parts {
		if err := r.drain(ctx); err != nil {
			return err
		}
		f, id := r.next()
		if f == nil {
			return nil
		}
		if r.cur != nil {
			if err := r.drain(ctx); err != nil { // what came between our last read and the rename
				f.Close() //nolint:errcheck // only read
				return err
			}
		}
		r.enter(f, id)
	}
	return nil
}

// next opens the part after the current one, nil if the current one is the newest. What is no regular file, or is
// renamed in this moment, is nothing new: the next look finds what it has become.
func (r *reader) next() (*os.File, fileID) {
	after := -1 // the part that follows the one we have read
	for i := range Parts {
		f, id, _, err := r.open(i)
		if err != nil {
			continue
		}
		f.Close() //nolint:errcheck // only looked at
		if id == r.id {
			break
		}
		after = i
	}
	if after < 0 {
		return nil, fileID{}
	}
	f, id, _, err := r.open(after)
	if err != nil {
		return nil, fileID{}
	}
	if id == r.id {
		f.Close() //nolint:errcheck // it was rotated meanwhile
		return nil, fileID{}
	}
	return f, id
}

// watch tells that something in a directory may have changed: by inotify, and every second in any case, for file systems
// without it; if the kernel gives us no inotify (its number is limited per user), four times a second.
type watch struct {
	changed chan struct{}
	file    *os.File
	done    chan struct{}
}

func newWatch(dir *os.File) *watch {
	w := &watch{changed: make(chan struct{}, 1), done: make(chan struct{})}
	every := 250 * time.Millisecond
	if fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err == nil {
		w.file = os.NewFile(uintptr(fd), "inotify")
		if addWatch(fd, dir) == nil {
			every = time.Second
			go w.read()
		}
	}
	go w.tick(every)
	return w
}

func addWatch(fd int, dir *os.File) error {
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(at uintptr) {
		// The open directory itself, whatever its path leads to now.
		path := "/proc/self/fd/" + strconv.FormatUint(uint64(at), 10)
		_, inner = unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO)
	})
	return errors.Join(err, inner)
}

func (w *watch) read() {
	buf := make([]byte, 4<<10)
	for {
		if _, err := w.file.Read(buf); err != nil {
			return
		}
		w.tell()
	}
}

func (w *watch) tick(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.tell()
		case <-w.done:
			return
		}
	}
}

func (w *watch) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *watch) close() {
	close(w.done)
	if w.file != nil {
		w.file.Close() //nolint:errcheck // ends read
	}
}
