// Package filecopy moves files and trees of files over a connection of package frame, in both directions: agentd-init, or
// a child of agentd once the session has ended, is at one end, and ctl at the other.
//
// After the ok of a copy one side sends and the other receives, S and R:
//
//	S ──▶ entry   a directory, a link, or a file; depth first, the root of all with an empty path
//	R ──▶ want    only with resume, for a file: the offset to begin at, or -1 if R has it
//	S ──▶ data, hole, eof      the file; an entry of the kind problem in the place of eof: S cannot go on with it
//	S ──▶ end     what was sent, and what could not be read
//	R ──▶ end     what was written, and what could not be
//	      error   of either side, in the place of anything: the copy is given up
//
// The other side is hostile: what R writes lies beneath its destination whatever S calls it, and no link is followed.
package filecopy

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Kind is what an [Entry] is about.
type Kind string

// The kinds. Of a problem only the path and the text mean anything.
const (
	Dir     Kind = "dir"
	File    Kind = "file"
	Link    Kind = "link"
	Problem Kind = "problem"
)

// Entry is one file of a copy. Names are bytes, as Linux has them.
type Entry struct {
	Kind Kind `json:"kind"`
	// Path is below the root, with slashes; empty for the root itself, whose own name is Name.
	Path []byte `json:"path,omitempty"`
	Name []byte `json:"name,omitempty"`
	// Mode has the permissions, and nothing above 0777; Time is the time of the last change in ns since 1970, 0 for none.
	Mode uint32 `json:"mode,omitempty"`
	Time int64  `json:"time,omitempty"`
	// Size of a file in bytes, -1 if it is not known beforehand.
	Size int64 `json:"size,omitempty"`
	// Target of a link, verbatim.
	Target []byte `json:"target,omitempty"`
	// Text says what is wrong; Skipped, that it is no failure but something that cannot be copied, such as a socket.
	Text    string `json:"text,omitempty"`
	Skipped bool   `json:"skipped,omitempty"`
}

// identity names a state of a file, so that what is left of a broken copy is never continued with another file.
func (e Entry) identity() string {
	h := sha256.New()
	h.Write(e.Path) //nolint:errcheck // a hash takes all
	h.Write(e.Name) //nolint:errcheck // the same
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(e.Size)), uint64(e.Time)))
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// maxProblems bounds the problems that an end lists.
const maxProblems = 100

// End is what one side, or both together, have to say at the end.
type End struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	// Problems are the first of all that went wrong with single files; Failed is whether one of them is a failure.
	Problems []Entry `json:"problems,omitempty"`
	More     int     `json:"more,omitempty"`
	Failed   bool    `json:"failed,omitempty"`
}

func (e *End) add(p Entry) {
	e.Failed = e.Failed || !p.Skipped
	const most = 300
	if len(p.Text) > most {
		p.Text = p.Text[:most]
	}
	if len(e.Problems) < maxProblems && len(p.Path) < 4<<10 {
		e.Problems = append(e.Problems, Entry{Kind: Problem, Path: p.Path, Text: p.Text, Skipped: p.Skipped})
		return
	}
	e.More++
}

// trimmed fits into a frame whatever the names are.
func (e End) trimmed() End {
	const most = 40 << 10
	size := 0
	for i, p := range e.Problems {
		if size += 2*len(p.Path) + 6*len(p.Text) + 64; size > most {
			e.More += len(e.Problems) - i
			e.Problems = e.Problems[:i:i]
			break
		}
	}
	return e
}

// Source is the answer to a copy-out: what the path is.
type Source struct {
	Kind Kind `json:"kind"`
	// Files and Bytes are all there is, if that was asked for; else those of a single file.
	Files int64 `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
}

// Options are one side's wishes.
type Options struct {
	// Resume must be the same on both sides.
	Resume bool
	// Progress is told of each part that was sent or received, and of what need not be; path is that of the file. May be nil.
	Progress func(path []byte, bytes int64)
}

func (o Options) progress(path []byte, n int64) {
	if o.Progress != nil {
		o.Progress(path, n)
	}
}

// problemOf makes a problem of an error about a file.
func problemOf(path []byte, err error) Entry {
	return Entry{Kind: Problem, Path: path, Text: cause(err)}
}

// cause is an error's text without the path, which is said already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// hopeless holds for the errors after which no other file would fare better.
func hopeless(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) || errors.Is(err, unix.EROFS)
}

// codeOf gives the code for an error of the file system.
func codeOf(err error) errs.Code {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errs.NotFound
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return errs.NoSpace
	}
	return errs.Invalid
}

// bound makes conn fail when ctx ends.
func bound(ctx context.Context, conn net.Conn) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection fails by itself
	})
	return func() { stop() }
}

// broken is the error for a connection that ended in the middle.
func broken(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if ctx.Err() != nil {
		return errs.New(errs.Canceled, "copy: interrupted")
	}
	return errs.New(errs.Unavailable, "copy: broken off: %w", err)
}

// outOfPlace is the error for a frame that has no business here.
func outOfPlace(t frame.Type) error {
	return errs.New(errs.Unavailable, "copy: frame of type %d out of place: %w", t, frame.ErrFormat)
}

func parseEntry(payload []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, errs.New(errs.Unavailable, "copy: entry: %w", err)
	}
	return e, nil
}
