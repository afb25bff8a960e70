package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Session is one child. Its operations run one after another; methods may be called from several goroutines.
type Session struct {
	as     string
	conn   *conn
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when the child was waited for
	ended  error         // how it ended; valid after done

	turn sync.Mutex // held for one operation

	mu   sync.Mutex
	gone bool // waited for: its process id means nothing any more
}

// Exchange is one operation with all that it can carry. Op is required.
type Exchange struct {
	Op string
	// Request becomes JSON; Result, a pointer, is filled from JSON. Either may be nil.
	Request, Result any
	// Send are descriptors that the child gets copies of; they stay open here.
	Send []*os.File
	// Event, if set, is called with each event, one at a time, before Exchange returns.
	Event func(json.RawMessage)
}

// Do runs an operation; event may be nil. When ctx ends, the child and its process group are killed and the session
// can do nothing more: errs.Canceled, or errs.Timeout if it was a deadline. A child that dies of itself is
// errs.TooLarge if memory was the cause, else errs.Internal with what it last said.
func (s *Session) Do(ctx context.Context, op string, req, result any, event func(json.RawMessage)) error {
	files, err := s.Exchange(ctx, Exchange{Op: op, Request: req, Result: result, Event: event})
	closeAll(files)
	return err
}

// Exchange is [Session.Do] with descriptors. The caller closes the files that it returns.
func (s *Session) Exchange(ctx context.Context, x Exchange) ([]*os.File, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if ctx.Err() != nil {
		return nil, s.stopped(ctx, x.Op)
	}
	stop := context.AfterFunc(ctx, s.kill)
	defer stop()
	var body json.RawMessage
	if x.Request != nil {
		var err error
		if body, err = json.Marshal(x.Request); err != nil {
			return nil, errs.New(errs.Internal, "%s: %w", s.what(x.Op), err)
		}
	}
	if err := s.conn.send(message{Op: x.Op, Body: body}, x.Send); err != nil {
		return nil, s.broken(ctx, x.Op, err)
	}
	for {
		m, files, err := s.conn.receive()
		switch {
		case err != nil:
			return nil, s.broken(ctx, x.Op, err)
		case m.Error != nil:
			closeAll(files)
			return nil, m.Error.error()
		case m.Event != nil:
			closeAll(files)
			if x.Event != nil {
				x.Event(m.Event)
			}
			continue
		}
		if x.Result != nil {
			if err := json.Unmarshal(m.Result, x.Result); err != nil {
				closeAll(files)
				return nil, errs.New(errs.Internal, "%s: result: %w", s.what(x.Op), err)
			}
		}
		return files, nil
	}
}

// closeGrace is how long an idle child may take to notice that its parent has closed the session.
const closeGrace = 2 * time.Second

// Close ends the child and waits for its end. It may be called twice.
func (s *Session) Close() error {
	// An idle child ends when its socket does; one that is busy sees the same and kills itself.
	if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if s.await(ctx) != nil {
		s.kill()
		<-s.done
	}
	return nil
}

// PID is the child's process id, which is also its process group's.
func (s *Session) PID() int { return s.cmd.Process.Pid }

// kill ends the child's process group. It does nothing once the child was waited for.
func (s *Session) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone && s.cmd.Process != nil {
		unix.Kill(-s.cmd.Process.Pid, unix.SIGKILL) //nolint:errcheck // it has ended already, and that is the aim
	}
}

func (s *Session) what(op string) string { return fmt.Sprintf("helper %s as %s", op, s.as) }

func (s *Session) stopped(ctx context.Context, op string) *errs.Error {
	code := errs.Canceled
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		code = errs.Timeout
	}
	return errs.New(code, "%s: %w", s.what(op), context.Cause(ctx))
}

// broken explains why the socket does not answer any more.
func (s *Session) broken(ctx context.Context, op string, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	// The socket ends with the child; a child that hangs without it is of no use either.
	s.kill()
	<-s.done
	if ctx.Err() != nil {
		return s.stopped(ctx, op)
	}
	said := strings.TrimSpace(s.output.String())
	if outOfMemory(said) {
		return errs.New(errs.TooLarge, "%s: needs more memory than its limit", s.what(op)).
			WithHint("raise git.memory in the configuration of agentd, or fetch less")
	}
	said, _, _ = strings.Cut(said, "\n")
	if said == "" {
		return errs.New(errs.Internal, "%s: ended: %v", s.what(op), s.ended).
			WithHint("if it was killed, the machine may have run out of memory: see dmesg")
	}
	return errs.New(errs.Internal, "%s: ended: %v: %s", s.what(op), s.ended, said)
}

// outOfMemory knows the words of the Go runtime, and of its C part, when the kernel refuses them memory: for the heap, or
// for the stack of one more thread.
func outOfMemory(said string) bool {
	for _, words := range []string{"cannot allocate memory", "out of memory", "pthread_create failed"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}
