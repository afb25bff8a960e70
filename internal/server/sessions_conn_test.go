package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/server"
	"agentd/internal/session"
)

// listen serves h on a socket and returns its path.
func (h *harness) listen(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

// ask sends a request over a connection of its own and returns the answer's header, with the body to come.
func ask(t *testing.T, path, method, target string, header ...string) (*net.UnixConn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, api.Host)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", header[i], header[i+1])
	}
	io.WriteString(conn, "\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn), r, resp
}

// pair is a connection to an init that a test plays.
func pair(t *testing.T) (server, init *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "i")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	init, err = l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { init.Close() })
	return server, init
}

func upgrading() []string { return []string{"Connection", "Upgrade", "Upgrade", api.FrameProtocol} }

// adopt plays an init that adopts one connection, and returns it with the request that came along.
func adopt(t *testing.T, init *net.UnixConn) (*os.File, string) {
	t.Helper()
	_, req, err := frame.ReadRequest(init)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	w := frame.NewWriter(init)
	w.Write(frame.TypeOK, []byte("{}"))
	file, err := frame.ReceiveFD(init)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	w.Write(frame.TypeOK, []byte("{}"))
	return file, string(req)
}

func TestExec_HandsTheConnectionOverAndIsOutOfThePath(t *testing.T) {
	h := newHarness(t)
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	ours, init := pair(t)
	h.sessions.init = func() (*net.UnixConn, error) { return ours, nil }
	conn, r, resp := ask(t, h.listen(t), "POST", "/v1/sessions/x/exec", upgrading()...)
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != api.FrameProtocol {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	frame.NewWriter(conn).Write(frame.TypeRequest, []byte(`{"op":"exec","exec":{"argv":["true"]},"from_the_future":1}`))
	file, req := adopt(t, init)
	if req != `{"op":"adopt","adopt":{"op":"exec","exec":{"argv":["true"]},"from_the_future":1}}` {
		t.Errorf("the init was asked %s", req)
	}
	// The server's end is nothing to the two.
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte("in"))
	got := make([]byte, 2)
	if _, err := io.ReadFull(file, got); err != nil || string(got) != "in" {
		t.Errorf("init got %q, %v", got, err)
	}
	file.WriteString("out")
	file.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "out" {
		t.Errorf("the client got %q, %v", got, err)
	}
}

func TestUpgrade_TellsWhyARequestGoesNowhere(t *testing.T) {
	for name, row := range map[string]struct {
		path, request string
		init          func(*net.UnixConn)
		want          string
	}{
		"wrong route": {"exec", `{"op":"forward"}`, nil, "this route is for exec"},
		"no request":  {"copy", `[]`, nil, "is no request"},
		"refused": {"forward", `{"op":"forward"}`, func(init *net.UnixConn) {
			frame.ReadRequest(init)
			frame.NewWriter(init).WriteJSON(frame.TypeError, frame.Failure{Code: errs.Unsupported, Message: "too old"})
		}, "too old"},
		"broken": {"attach", `{"op":"attach"}`, func(init *net.UnixConn) { init.Close() }, "session's init"},
	} {
		h := newHarness(t)
		h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
		ours, init := pair(t)
		h.sessions.init = func() (*net.UnixConn, error) { return ours, nil }
		conn, r, _ := ask(t, h.listen(t), "POST", "/v1/sessions/x/"+row.path, upgrading()...)
		if row.init != nil {
			go row.init(init)
		}
		frame.NewWriter(conn).Write(frame.TypeRequest, []byte(row.request))
		if err := frame.Answer(r, nil); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}

func TestExec_OnlyWhereSomethingRuns(t *testing.T) {
	for name, row := range map[string]struct {
		enter []session.Status
		code  errs.Code
		text  string
	}{
		"pending":  {nil, errs.Conflict, "is PENDING"},
		"ended":    {[]session.Status{session.Preparing, session.Error}, errs.Conflict, "is ERROR"},
		"too soon": {[]session.Status{session.Preparing, session.Prepared, session.Creating}, errs.Conflict, "only just"},
		"gone": {[]session.Status{session.Preparing, session.Prepared, session.Creating, session.Running},
			errs.Unavailable, "nobody listens"},
	} {
		h := newHarness(t)
		h.sessions.enter(row.enter...)
		p := problemOf(t, h.do(t, "POST", "/v1/sessions/x/exec", "", upgrading()...))
		if p.Code != row.code || !strings.Contains(p.Detail, row.text) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestExec_WaitsForAnInitThatIsComingUp(t *testing.T) {
	h := newHarness(t)
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	now := time.Now()
	h.sessions.rec.Started = &now
	ours, init := pair(t)
	tries := 0
	h.sessions.init = func() (*net.UnixConn, error) {
		if tries++; tries < 3 {
			return nil, errs.New(errs.Unavailable, "connection refused")
		}
		return ours, nil
	}
	conn, _, resp := ask(t, h.listen(t), "POST", "/v1/sessions/x/exec", upgrading()...)
	if resp.StatusCode != http.StatusSwitchingProtocols || tries != 3 {
		t.Errorf("%d after %d tries", resp.StatusCode, tries)
	}
	conn.Close()
	init.Close()
}

func TestStream_OutlastsTheDeadlineOfAnswers(t *testing.T) {
	h := newHarness(t, func(o *server.Options) { o.Limits.Answer = 20 * time.Millisecond })
	_, _, resp := ask(t, h.listen(t), "GET", "/v1/events?follow=true")
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		h.sessions.tell(api.Event{Kind: api.EventNote, Message: fmt.Sprint(i)})
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "data: ") && strings.Contains(line, fmt.Sprintf(`"message":"%d"`, i)) {
				break
			}
		}
		<-time.After(30 * time.Millisecond)
	}
}

func TestStream_EndsWithTheServer(t *testing.T) {
	h := newHarness(t)
	_, _, resp := ask(t, h.listen(t), "GET", "/v1/events?follow=true")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("a listener holds up the stop: %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Error(err)
	}
}

func TestStream_EndsWithTheClient(t *testing.T) {
	h := newHarness(t)
	conn, _, _ := ask(t, h.listen(t), "GET", "/v1/events?follow=true")
	if h.sessions.listening() != 1 {
		t.Errorf("%d listen", h.sessions.listening())
	}
	conn.Close()
	for h.sessions.listening() > 0 {
		<-time.After(time.Millisecond)
	}
}
