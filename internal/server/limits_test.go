package server_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/server"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// serve runs the server on a real socket until the test ends, and returns how to connect.
func serve(t *testing.T, h *harness) func() net.Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = h.Shutdown(ctx) // some tests leave requests unfinished
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func() net.Conn {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// answerOf reads the answer to a request on conn.
func answerOf(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// ends waits until the server closes the connection.
func ends(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the server holds on to the connection: %v", err)
	}
}

const get = "GET /v1/templates/one HTTP/1.1\r\nHost: agentd\r\n\r\n"

func short(o *server.Options) {
	o.Limits.Header, o.Limits.Body, o.Limits.Idle = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
}

func TestLimits_SlowClientsAreCut(t *testing.T) {
	for name, begin := range map[string]string{
		"says nothing":     "",
		"a slow header":    "GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nX-A: ",
		"idle after one":   get,
		"a slow head line": "GET /v1/temp",
	} {
		t.Run(name, func(t *testing.T) {
			connect := serve(t, newHarness(t, short))
			conn := connect()
			send(t, conn, begin)
			ends(t, conn)
		})
	}
}

func TestLimits_ASlowBodyIsAProblem(t *testing.T) {
	h := newHarness(t, short)
	conn := serve(t, h)()
	send(t, conn, "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 100\r\n\r\nabc")
	if p := problemOf(t, answerOf(t, conn)); p.Code != errs.Timeout || len(h.fake.calls) != 0 {
		t.Errorf("%+v, asked %v", p, h.fake.calls)
	}
}

// What is refused unread must not be waited for either: net/http wants the rest of a body before it closes.
func TestLimits_ARefusedRequestIsNotWaitedFor(t *testing.T) {
	for name, header := range map[string]string{
		"by the guard": "Origin: https://evil.example\r\nContent-Length: 100",
		"as too large": "Content-Length: 10000000",
	} {
		t.Run(name, func(t *testing.T) {
			conn := serve(t, newHarness(t, short))()
			send(t, conn, "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\n"+header+"\r\n\r\nabc")
			ends(t, conn)
		})
	}
}

// The deadline of the body must not outlive it: the request goes on as long as it takes.
func TestLimits_AQuickBodyLeavesTheHandlerItsTime(t *testing.T) {
	h := newHarness(t, short)
	gone := make(chan bool, 1)
	slow := &slowWriter{fake: h.fake, wait: 200 * time.Millisecond, gone: gone}
	h.Server = newHarness(t, short, func(o *server.Options) { o.Templates.Writer = slow }).Server
	conn := serve(t, h)()
	send(t, conn, "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 3\r\n\r\nabc")
	if resp := answerOf(t, conn); resp.StatusCode != http.StatusCreated {
		t.Errorf("%d", resp.StatusCode)
	}
	if <-gone {
		t.Error("the request was cancelled while its client waited")
	}
}

// slowWriter takes its time, and tells whether the request ended before it.
type slowWriter struct {
	*fake
	wait time.Duration
	gone chan bool
}

func (s *slowWriter) Create(
	ctx context.Context, c identity.Caller, owner *uint32, file string, src []byte,
) (api.WrittenList, error) {
	select {
	case <-ctx.Done():
		s.gone <- true
	case <-time.After(s.wait):
		s.gone <- false
	}
	return s.fake.Create(ctx, c, owner, file, src)
}

func TestLimits_AClientThatLeavesEndsItsRequest(t *testing.T) {
	gone := make(chan bool, 1)
	h := newHarness(t)
	slow := &slowWriter{fake: h.fake, wait: time.Minute, gone: gone}
	h = newHarness(t, func(o *server.Options) { o.Templates.Writer = slow })
	conn := serve(t, h)()
	send(t, conn, "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 3\r\n\r\nabc")
	conn.Close()
	if !<-gone {
		t.Error("the request went on")
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("a client that leaves is loud: %s", h.log)
	}
}

func TestLimits_AHugeHeader(t *testing.T) {
	conn := serve(t, newHarness(t))()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: agentd\r\nX-A: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	if resp := answerOf(t, conn); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestLimits_HugeBodies(t *testing.T) {
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("#", 64<<10))
	for name, text := range map[string]string{
		"announced": "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 10000000\r\n\r\n",
		"chunked": "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat(chunk, 17),
		"to a route without": "GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 10000000\r\n\r\n",
	} {
		h := newHarness(t)
		conn := serve(t, h)()
		go io.WriteString(conn, text)
		if p := problemOf(t, answerOf(t, conn)); p.Code != errs.TooLarge || len(h.fake.calls) != 0 {
			t.Errorf("%s: %+v, asked %v", name, p, h.fake.calls)
		}
	}
}

func TestLimits_ABodyThatBreaksOffIsQuiet(t *testing.T) {
	h := newHarness(t)
	conn := serve(t, h)()
	send(t, conn, "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 100\r\n\r\nabc")
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if p := problemOf(t, answerOf(t, conn)); p.Code != errs.Canceled || len(h.fake.calls) != 0 {
		t.Errorf("%+v, asked %v", p, h.fake.calls)
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("loud: %s", h.log)
	}
}

func TestConnections_AreBoundedForEachUID(t *testing.T) {
	uids := make(chan uint32, 16)
	h := newHarness(t, func(o *server.Options) {
		o.Limits.Connections = 2
		o.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			return identity.With(ctx, identity.Caller{UID: <-uids})
		}
	})
	connect := serve(t, h)
	as := func(uid uint32) net.Conn {
		uids <- uid
		return connect()
	}
	ask := func(conn net.Conn) *http.Response {
		send(t, conn, get)
		return answerOf(t, conn)
	}
	first, second := as(1), as(1)
	for _, conn := range []net.Conn{first, second} {
		if resp := ask(conn); resp.StatusCode != http.StatusOK {
			t.Errorf("within the limit: %d", resp.StatusCode)
		}
	}
	third, fourth := as(1), as(1)
	resp := ask(third)
	if p := problemOf(t, resp); p.Code != errs.Busy || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("over the limit: %+v %v", p, resp.Header)
	}
	ends(t, third)
	if resp := ask(fourth); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("over the limit: %d", resp.StatusCode)
	}
	ends(t, fourth)
	if resp := ask(as(2)); resp.StatusCode != http.StatusOK {
		t.Errorf("another user suffers: %d", resp.StatusCode)
	}
	idle := []net.Conn{as(1), as(1)}
	ends(t, as(1)) // over twice the limit
	for _, conn := range append(idle, first) {
		conn.Close()
	}
	// The server learns of it in its own time; until then it may close a connection without a word.
	for {
		conn := as(1)
		if _, err := io.WriteString(conn, get); err != nil {
			continue
		}
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && resp.StatusCode == http.StatusOK {
			break
		}
		conn.Close()
	}
}
