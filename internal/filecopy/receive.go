package filecopy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Sink is where received files go. An error of its methods is a problem of that one file, unless it is hopeless (no
// space) or [ErrStop].
type Sink interface {
	// Put makes a directory or a link.
	Put(e Entry) error
	// Create begins a file. The offset is where it goes on, with resume; a negative one means that all of it is there, and
	// there is then no file.
	Create(e Entry, resume bool) (body Body, offset int64, err error)
	// Finish is called once, at the end, however it came.
	Finish() error
}

// Body is a file that is being received.
type Body interface {
	io.Writer
	// Hole leaves out n bytes.
	Hole(n int64) error
	// Close ends the file; whole says whether all of it has come.
	Close(whole bool) error
}

// ErrStop is the cause of errors of a sink after which the copy is given up.
var ErrStop = errors.New("the copy cannot go on")

// Receive gives all that the other side sends to the sink, and tells it what became of it. The end is that of both sides
// together; the error is for what ended the copy.
func Receive(ctx context.Context, conn net.Conn, o Options, sink Sink) (End, error) {
	defer bound(ctx, conn)()
	r := &receiver{Options: o, r: frame.NewReader(conn), w: frame.NewWriter(conn), sink: sink}
	theirs, err := r.all()
	if finish := sink.Finish(); err == nil && finish != nil {
		r.end.add(problemOf(nil, finish))
	}
	if err == nil {
		err = r.w.WriteJSON(frame.TypeEnd, r.end.trimmed())
	} else if _, ours := errors.AsType[*errs.Error](err); ours && ctx.Err() == nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second))   //nolint:errcheck // it is over
		r.w.WriteJSON(frame.TypeError, frame.FailureOf(err)) //nolint:errcheck // the same
	}
	if err != nil {
		return r.end, broken(ctx, err)
	}
	for _, p := range theirs.Problems {
		r.end.add(p)
	}
	r.end.More += theirs.More
	r.end.Failed = r.end.Failed || theirs.Failed
	return r.end, nil
}

type receiver struct {
	Options
	r    *frame.Reader
	w    *frame.Writer
	sink Sink
	end  End
}

// all receives until the sender's end.
func (r *receiver) all() (theirs End, err error) {
	for {
		t, payload, err := r.r.Next()
		switch {
		case err != nil:
			return theirs, err
		case t == frame.TypeEnd:
			if err := json.Unmarshal(payload, &theirs); err != nil {
				return theirs, errs.New(errs.Unavailable, "copy: end: %w", err)
			}
			return theirs, nil
		case t == frame.TypeError:
			return theirs, frame.FailureIn(payload)
		case t != frame.TypeEntry:
			return theirs, outOfPlace(t)
		}
		e, err := parseEntry(payload)
		if err == nil {
			err = r.entry(e)
		}
		if err != nil {
			return theirs, err
		}
	}
}

func (r *receiver) entry(e Entry) error {
	e.Mode &= 0o777
	switch e.Kind {
	case Dir, Link:
		err := r.sink.Put(e)
		if err == nil {
			r.end.Files++
		}
		return r.failed(e, err)
	case File:
		return r.file(e)
	case Problem:
	}
	return errs.New(errs.Unavailable, "copy: entry of the kind %q out of place: %w", e.Kind, frame.ErrFormat)
}

// failed notes what went wrong with one file, and returns what ends the copy.
func (r *receiver) failed(e Entry, err error) error {
	switch {
	case err == nil:
		return nil
	case hopeless(err), errors.Is(err, ErrStop):
		return errs.New(codeOf(err), "copy %s: %w", quoted(e), err)
	}
	r.end.add(problemOf(e.Path, err))
	return nil
}

func (r *receiver) file(e Entry) error {
	body, offset, err := r.sink.Create(e, r.Resume)
	if stop := r.failed(e, err); stop != nil {
		return stop
	}
	if err != nil {
		body, offset = nothing{}, -1
	}
	if r.Resume {
		want := binary.BigEndian.AppendUint64(nil, uint64(offset)) //nolint:gosec // -1 is -1 on the other side too
		if err := r.w.Write(frame.TypeWant, want); err != nil {
			return errors.Join(err, closeBody(body))
		}
		if offset < 0 {
			r.progress(e.Path, e.Size)
			return nil
		}
		r.progress(e.Path, offset)
	}
	whole, failure := r.content(e, body)
	closing := body.Close(whole && failure == nil)
	if failure == nil && whole {
		if closing == nil && err == nil {
			r.end.Files++
		}
		failure = r.failed(e, closing)
	}
	return failure
}

func closeBody(b Body) error {
	if b == nil {
		return nil
	}
	return b.Close(false)
}

// content receives a file up to its end; whole is false if the sender could not go on with it.
func (r *receiver) content(e Entry, body Body) (whole bool, err error) {
	for {
		t, payload, err := r.r.Next()
		switch {
		case err != nil:
			return false, err
		case t == frame.TypeData:
			n := int64(len(payload))
			r.end.Bytes += n
			r.progress(e.Path, n)
			_, err = body.Write(payload)
		case t == frame.TypeHole && len(payload) == 8:
			n := int64(binary.BigEndian.Uint64(payload)) //nolint:gosec // checked in the next line
			if n < 0 {
				return false, outOfPlace(t)
			}
			r.progress(e.Path, n)
			err = body.Hole(n)
		case t == frame.TypeEOF:
			return true, nil
		case t == frame.TypeEntry:
			p, err := parseEntry(payload)
			if err == nil && p.Kind != Problem {
				err = outOfPlace(t)
			}
			return false, err
		case t == frame.TypeError:
			return false, frame.FailureIn(payload)
		default:
			return false, outOfPlace(t)
		}
		if err != nil {
			return false, errs.New(codeOf(err), "copy %s: %w", quoted(e), err)
		}
	}
}

// nothing takes what belongs to a file that could not be made.
type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Hole(int64) error            { return nil }
func (nothing) Close(bool) error            { return nil }
