package sessionlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/errs"
)

// Options say what of a log is read.
type Options struct {
	// Name is the newest part's: job.LogName.
	Name string
	// Tail is how many of the last lines to begin with; negative means all.
	Tail int
	// Since leaves out lines of an earlier time; the zero time leaves out none.
	Since time.Time
	// MaxBytes bounds what is read of the parts that are there at the beginning, counted from their ends: somebody
	// hostile can make them as large as he likes. 0 means 256 MiB.
	MaxBytes int64
	// Ended, if not nil, makes Read follow the log until Ended is closed and all is read. Without it, Read ends at the
	// end of what there is.
	Ended <-chan struct{}
}

const defaultMaxBytes = 256 << 20

// Read calls yield for every line, oldest first, until yield returns an error, which Read returns. A log that is not
// there is empty. The line's text is valid until yield returns. dir is the session's directory, as beneath.Dir opens it;
// nothing but regular files directly in it is read.
func Read(ctx context.Context, dir *os.File, o Options, yield func(Line) error) error {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	r := &reader{dir: dir, o: o, yield: yield}
	defer r.close()
	var events *watch
	if o.Ended != nil {
		events = newWatch(dir) // before the first look, so that no change is missed
		defer events.close()
	}
	if err := r.begin(ctx); err != nil || o.Ended == nil {
		return err
	}
	return r.follow(ctx, events)
}

type reader struct {
	dir   *os.File
	o     Options
	yield func(Line) error
	// cur is the part that is being read; nil before there is one.
	cur *os.File
	id  fileID
	// rest is the begin of a line whose end is not there yet.
	rest []byte
	buf  []byte
}

// fileID tells files apart across renames.
type fileID struct{ dev, ino uint64 }

func (r *reader) open(i int) (*os.File, fileID, int64, error) {
	f, err := beneath.Regular(r.dir, PartName(r.o.Name, i), unix.O_RDONLY, 0)
	if err != nil {
		return nil, fileID{}, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close() //nolint:errcheck // only read
		return nil, fileID{}, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		f.Close() //nolint:errcheck // only read
		return nil, fileID{}, 0, fs.ErrInvalid
	}
	return f, fileID{uint64(st.Dev), st.Ino}, info.Size(), nil
}

// begin reads what is there, from where Tail and MaxBytes say.
func (r *reader) begin(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	if r.o.Ended == nil {
		return r.flush()
	}
	return nil
}

// enter makes f the current part.
func (r *reader) enter(f *os.File, id fileID) {
	r.close()
	r.cur, r.id = f, id
}

func (r *reader) close() {
	if r.cur != nil {
		r.cur.Close() //nolint:errcheck // only read
	}
}

// drain yields all whole lines of the current part up to its end.
func (r *reader) drain(ctx context.Context) error {
	if r.cur == nil {
		return nil
	}
	if r.buf == nil {
		r.buf = make([]byte, 64<<10)
	}
	for {
		if err := ctx.Err(); err != nil {
			return errs.New(errs.Canceled, "log: %w", err)
		}
		n, err := r.cur.Read(r.buf)
		if err := r.split(r.buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errs.New(errs.Unavailable, "log: %w", err)
		}
	}
}

func (r *reader) split(data []byte) error {
	for len(data) > 0 {
		line, after, whole := bytes.Cut(data, []byte{'\n'})
		room := MaxLine - len(r.rest)
		if len(line) > room { // no writer of ours made this: cut it
			r.rest = append(r.rest, line[:room]...)
			data = data[room:]
			if err := r.flush(); err != nil {
				return err
			}
			continue
		}
		r.rest = append(r.rest, line...)
		if !whole {
			return nil
		}
		data = after
		if err := r.emit(); err != nil {
			return err
		}
	}
	return nil
}

// flush yields what is there of a line without an end.
func (r *reader) flush() error {
	if len(r.rest) == 0 {
		return nil
	}
	return r.emit()
}

func (r *reader) emit() error {
	line := Parse(r.rest)
	r.rest = r.rest[:0]
	if !r.o.Since.IsZero() && line.Time.Before(r.o.Since) {
		return nil
	}
	return r.yield(line)
}
