package sessioninit

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/version"
)

const (
	// maxConns bounds the open connections, adopted ones included.
	maxConns = 512
	// requestTimeout bounds the wait for a request, and for the descriptor of an adopt.
	requestTimeout = 10 * time.Second
	// acceptPause is the wait after a failed accept (no descriptors left).
	acceptPause = 50 * time.Millisecond
)

// server answers on the session's socket.
type server struct {
	in       *initd
	listener *net.UnixListener
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// client is one connection, for one operation.
type client struct {
	net.Conn
	r *frame.Reader
	w *frame.Writer
}

// listen makes the socket, mode 0600.
func listen(in *initd, path string) (*server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.Internal, "socket: %w", err)
	}
	mask := unix.Umask(0o177) // nothing else runs yet
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	unix.Umask(mask)
	if err != nil {
		return nil, errs.New(errs.Internal, "socket: %w", err)
	}
	return &server{in: in, listener: listener, conns: map[net.Conn]struct{}{}}, nil
}

// serve accepts until close.
func (s *server) serve() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t := time.NewTimer(acceptPause)
			select {
			case <-t.C:
			case <-s.in.over:
				t.Stop()
				return
			}
			continue
		}
		if !s.add(conn) {
			c := newClient(conn)
			c.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // the connection is given up anyway
			c.fail(errs.New(errs.Busy, "the session has %d open connections", maxConns).WithHint("close some"))
			conn.Close() //nolint:errcheck // given up
			continue
		}
		go s.greet(conn)
	}
}

// add enters a connection, unless there are too many or the end has come.
func (s *server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConns {
		return false
	}
	s.conns[conn] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *server) remove(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	conn.Close() //nolint:errcheck // all was sent
	s.wg.Done()
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// close takes no more connections, gives the operations limit to say their last words, and closes what is left.
func (s *server) close(limit time.Duration) {
	s.listener.Close() //nolint:errcheck // removes the socket
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	within(limit, s.wg.Wait)
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close() //nolint:errcheck // we end
	}
}

func newClient(conn net.Conn) *client {
	return &client{Conn: conn, r: frame.NewReader(conn), w: frame.NewWriter(conn)}
}

func (c *client) fail(err error) {
	c.w.WriteJSON(frame.TypeError, frame.FailureOf(err)) //nolint:errcheck // the other side is gone
}

// greet says hello, takes the request and serves it.
func (s *server) greet(conn net.Conn) {
	defer s.remove(conn)
	c := newClient(conn)
	conn.SetDeadline(time.Now().Add(requestTimeout)) //nolint:errcheck // a closed connection fails at once
	if c.w.WriteJSON(frame.TypeHello, s.in.hello()) != nil {
		return
	}
	t, payload, err := c.r.Next()
	if err != nil {
		if errors.Is(err, frame.ErrFormat) {
			c.fail(errs.New(errs.Unsupported, "%w", err))
		}
		return
	}
	var req frame.Request
	if t != frame.TypeRequest || json.Unmarshal(payload, &req) != nil {
		c.fail(errs.New(errs.Invalid, "frame of type %d is no request", t))
		return
	}
	conn.SetDeadline(time.Time{}) //nolint:errcheck // a closed connection fails at once
	s.in.serve(c, &req)
}

func (in *initd) hello() frame.Hello {
	in.mu.Lock()
	defer in.mu.Unlock()
	h := frame.Hello{
		Frame: int(frame.Version), Build: version.String(), PID: os.Getpid(), State: in.stateLocked(),
		Session: os.Getenv(job.EnvSession), Nonce: os.Getenv(job.EnvNonce),
	}
	if in.job != nil {
		h.Session, h.Nonce = in.job.Session, in.job.Nonce
	}
	return h
}
