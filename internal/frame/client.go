package frame

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"time"
	"unicode"

	"agentd/internal/errs"
)

// ReadHello reads the first frame of a connection that was dialed.
func ReadHello(conn io.Reader) (Hello, error) {
	var h Hello
	t, payload, err := NewReader(conn).Next()
	switch {
	case err != nil:
		return h, brokenOff("hello", err)
	case t == TypeError:
		return h, FailureIn(payload)
	case t != TypeHello:
		return h, errs.New(errs.Unavailable, "session's init: frame of type %d in the place of its hello: %w", t, ErrFormat)
	}
	if err := json.Unmarshal(payload, &h); err != nil {
		return h, errs.New(errs.Unavailable, "session's init: hello: %w", err)
	}
	return h, nil
}

// Send sends a request. What follows depends on the operation: [Answer] or [Stream].
func Send(conn io.Writer, req Request) error {
	payload, err := json.Marshal(req)
	if err != nil {
		return errs.New(errs.Invalid, "request %s: %w", req.Op, err)
	}
	if len(payload) > MaxRequest {
		return errs.New(errs.TooLarge, "request %s has %d bytes, the limit is %d", req.Op, len(payload), MaxRequest)
	}
	if err := NewWriter(conn).Write(TypeRequest, payload); err != nil {
		return brokenOff(req.Op, err)
	}
	return nil
}

// Answer waits for the answer to a ping, start, signal, stats or forward and decodes it into answer, unless that is nil.
// After a forward's, the connection carries that stream's raw bytes, and closing a direction closes it there.
func Answer(conn io.Reader, answer any) error {
	t, payload, err := NewReader(conn).Next()
	switch {
	case err != nil:
		return brokenOff("answer", err)
	case t == TypeError:
		return FailureIn(payload)
	case t != TypeOK:
		return errs.New(errs.Unavailable, "session's init: frame of type %d in the place of its answer: %w", t, ErrFormat)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(payload, answer); err != nil {
		return errs.New(errs.Unavailable, "session's init: answer: %w", err)
	}
	return nil
}

// Do sends a request and waits for its answer, as [Send] and [Answer] do; ctx bounds both.
func Do(ctx context.Context, conn net.Conn, req Request, answer any) error {
	defer bound(ctx, conn)()
	if err := Send(conn, req); err != nil {
		return causeOf(ctx, err)
	}
	return causeOf(ctx, Answer(conn, answer))
}

// bound makes reads and writes of conn fail when ctx ends; the returned function undoes that.
func bound(ctx context.Context, conn net.Conn) (release func()) {
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection fails by itself
	})
	return func() { stop() }
}

// causeOf puts the end of ctx in the place of the time-out that it led to.
func causeOf(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errs.New(errs.Timeout, "session's init: %w", context.Cause(ctx))
	}
	return errs.New(errs.Canceled, "session's init: %w", context.Cause(ctx))
}

// brokenOff is the error for a connection that failed in the middle of something.
func brokenOff(what string, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return errs.New(errs.Unavailable, "session's init: %s: %w", what, err)
}

// FailureIn makes an error of an error frame's payload. Its text was written on hostile ground: what is not printable is
// replaced, and a code that agentd-init has no use for becomes internal.
func FailureIn(payload []byte) error {
	var f Failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return errs.New(errs.Unavailable, "session's init: error frame: %w", err)
	}
	switch f.Code {
	case errs.Invalid, errs.NotFound, errs.Conflict, errs.Unsupported, errs.Busy, errs.Timeout, errs.TooLarge,
		errs.NoSpace, errs.Unavailable, errs.Canceled:
	default:
		f.Code = errs.Internal
	}
	return &errs.Error{Code: f.Code, Message: printable(f.Message), Hint: printable(f.Hint)}
}

func printable(s string) string {
	const most = 1 << 10
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// FailureOf is what an error frame says about err.
func FailureOf(err error) Failure {
	f := Failure{Code: errs.CodeOf(err), Message: err.Error()}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		f.Hint = e.Hint
	}
	const most = 1 << 10
	if len(f.Message) > most {
		f.Message = f.Message[:most]
	}
	return f
}
