package frame

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"

	"agentd/internal/errs"
)

// Streams are the client's ends of an exec or attach. Any of them may be nil.
type Streams struct {
	// Stdin is read until its end or the command's. A read that blocks (a terminal) is left behind when the command
	// has ended: Stream does not wait for it, and what it reads then is lost.
	Stdin io.Reader
	// Stdout and Stderr get the output; an error of theirs ends the stream.
	Stdout, Stderr io.Writer
	// Resize and Signals are passed on; names of signals have no SIG.
	Resize  <-chan Size
	Signals <-chan string
	// Started is called once, when the command runs.
	Started func(Started)
}

// Run does an exec on a connection whose hello was read: [Send], then [Stream].
func Run(ctx context.Context, conn net.Conn, e Exec, s Streams) (Exit, error) {
	e.Stdin = s.Stdin != nil
	if err := Send(conn, Request{Op: OpExec, Exec: &e}); err != nil {
		return Exit{}, causeOf(ctx, err)
	}
	return Stream(ctx, conn, s)
}

// Stream serves an exec or attach whose request was sent, until its exit: then all output has been written. A command
// that could not be started is an Exit with code 126 or 127 and its Error, not an error. Closing conn, or the end of
// ctx, hangs the command up.
func Stream(ctx context.Context, conn net.Conn, s Streams) (Exit, error) {
	defer bound(ctx, conn)()
	c := &stream{Streams: s, w: NewWriter(conn), credit: newCredit(StdinWindow), over: make(chan struct{})}
	return c.serve(ctx, conn)
}

func (c *stream) serve(ctx context.Context, conn net.Conn) (Exit, error) {
	exit, err := c.receive(NewReader(conn))
	close(c.over)
	c.credit.close()
	return exit, causeOf(ctx, err)
}

// Begin waits until an exec or attach whose request was sent runs; [Continue] serves it from there. What cannot be begun is
// an error, as what agentd-init refuses.
func Begin(ctx context.Context, conn net.Conn) (Started, error) {
	defer bound(ctx, conn)()
	var st Started
	t, payload, err := NewReader(conn).Next()
	switch {
	case err != nil:
		err = brokenOff("started", err)
	case t == TypeError:
		err = FailureIn(payload)
	case t != TypeStarted:
		err = errs.New(errs.Unavailable, "session's init: frame of type %d out of place: %w", t, ErrFormat)
	case json.Unmarshal(payload, &st) != nil:
		err = errs.New(errs.Unavailable, "session's init: started: %w", ErrFormat)
	}
	return st, causeOf(ctx, err)
}

// Continue is [Stream] after [Begin]; Streams.Started is not called.
func Continue(ctx context.Context, conn net.Conn, s Streams) (Exit, error) {
	defer bound(ctx, conn)()
	c := &stream{Streams: s, w: NewWriter(conn), credit: newCredit(StdinWindow), over: make(chan struct{}), running: true}
	c.begin()
	return c.serve(ctx, conn)
}

type stream struct {
	Streams
	running bool
	w       *Writer
	credit  *credit
	over    chan struct{}
}

// receive reads frames until the last one.
func (c *stream) receive(r *Reader) (Exit, error) {
	for {
		t, payload, err := r.Next()
		if err != nil {
			return Exit{}, brokenOff("output", err)
		}
		switch {
		case t == TypeError:
			return Exit{}, FailureIn(payload)
		case t == TypeExit:
			return parseExit(payload)
		case t == TypeStarted && !c.running:
			c.running = true
			if err := c.start(payload); err != nil {
				return Exit{}, err
			}
		case t == TypeStdout && c.running:
			err = deliver(c.Stdout, payload)
		case t == TypeStderr && c.running:
			err = deliver(c.Stderr, payload)
		case t == TypeWindow && c.running && len(payload) == 4:
			c.credit.add(int(min(binary.BigEndian.Uint32(payload), StdinWindow)))
		default:
			err = errs.New(errs.Unavailable, "session's init: frame of type %d out of place: %w", t, ErrFormat)
		}
		if err != nil {
			return Exit{}, err
		}
	}
}

func (c *stream) start(payload []byte) error {
	var st Started
	if err := json.Unmarshal(payload, &st); err != nil {
		return errs.New(errs.Unavailable, "session's init: started: %w", err)
	}
	if c.Streams.Started != nil {
		c.Streams.Started(st)
	}
	c.begin()
	return nil
}

// begin sends from now on.
func (c *stream) begin() {
	if c.Stdin != nil {
		go c.sendStdin()
	}
	go c.sendControl()
}

// sendStdin needs no error: the connection that a write fails on ends receive too.
func (c *stream) sendStdin() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Stdin.Read(buf)
		for sent := 0; sent < n; {
			part := c.credit.take(n - sent)
			if part == 0 || c.w.Write(TypeStdin, buf[sent:sent+part]) != nil {
				return
			}
			sent += part
		}
		if err != nil {
			c.w.Write(TypeEOF, nil) //nolint:errcheck // see above
			return
		}
	}
}

func (c *stream) sendControl() {
	for {
		var err error
		select {
		case size := <-c.Resize:
			err = c.w.Write(TypeResize, size.Append(nil))
		case name := <-c.Signals:
			err = c.w.Write(TypeSignal, []byte(name))
		case <-c.over:
			return
		}
		if err != nil {
			return
		}
	}
}

func parseExit(payload []byte) (Exit, error) {
	var e Exit
	if err := json.Unmarshal(payload, &e); err != nil {
		return e, errs.New(errs.Unavailable, "session's init: exit: %w", err)
	}
	if e.Code < 0 || e.Code > 255 {
		return e, errs.New(errs.Unavailable, "session's init: exit code %d: %w", e.Code, ErrFormat)
	}
	e.Error, e.Signal = printable(e.Error), printable(e.Signal)
	return e, nil
}

func deliver(w io.Writer, payload []byte) error {
	if w == nil {
		return nil
	}
	if _, err := w.Write(payload); err != nil {
		return errs.New(errs.Canceled, "write output: %w", err)
	}
	return nil
}

// credit is how many bytes of stdin may be sent.
type credit struct {
	mu     sync.Mutex
	more   sync.Cond
	left   int
	closed bool
}

func newCredit(n int) *credit {
	c := &credit{left: n}
	c.more.L = &c.mu
	return c
}

func (c *credit) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The other side may lie; with no more than the window it cannot make us overflow.
	c.left = min(c.left+n, StdinWindow)
	c.more.Broadcast()
}

func (c *credit) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.more.Broadcast()
}

// take waits for credit and takes up to n bytes of it; 0 means that the stream is over.
func (c *credit) take(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 && !c.closed {
		c.more.Wait()
	}
	if c.closed {
		return 0
	}
	n = min(n, c.left)
	c.left -= n
	return n
}
