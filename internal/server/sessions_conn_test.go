package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
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

func TestExec_CopiesBytesBothWaysAndEndsWithBoth(t *testing.T) {
	h := newHarness(t)
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	ours, init := pair(t)
	h.sessions.init = func() (*net.UnixConn, error) { return ours, nil }
	conn, r, resp := ask(t, h.listen(t), "POST", "/v1/sessions/x/exec", upgrading()...)
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != api.FrameProtocol {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var wg sync.WaitGroup
	wg.Go(func() {
		conn.Write(big)
		conn.CloseWrite()
	})
	wg.Go(func() {
		got, err := io.ReadAll(init)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("init got %d bytes, %v", len(got), err)
		}
		// It still talks after the client has said all.
		init.Write(big)
		init.Close()
	})
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("the client got %d bytes, %v", len(got), err)
	}
	wg.Wait()
}

func TestExec_TheClientsEndEndsTheSessions(t *testing.T) {
	h := newHarness(t)
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	ours, init := pair(t)
	h.sessions.init = func() (*net.UnixConn, error) { return ours, nil }
	conn, _, _ := ask(t, h.listen(t), "POST", "/v1/sessions/x/exec", upgrading()...)
	conn.Close()
	if _, err := io.ReadAll(init); err != nil {
		t.Error(err)
	}
	// What is written to nobody breaks the connection, sooner or later.
	for {
		if _, err := init.Write(make([]byte, 1<<16)); err != nil {
			return
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
