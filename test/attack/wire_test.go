package attack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// naiveServer answers as net/http does by itself.
func naiveServer(t *testing.T) func() net.Conn {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func() net.Conn {
		conn, err := net.Dial("unix", path)
		must(t, err)
		return conn
	}
}

// status sends a request as it stands and returns the status of the answer; 0 if the connection is closed without one.
func status(t *testing.T, conn net.Conn, text string) int {
	t.Helper()
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	go io.WriteString(conn, text) // the other side may stop reading
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

func TestWire_RefusesWebPagesForeignHostsAndTooMuch(t *testing.T) {
	w := newWorld(t)
	naive := naiveServer(t)
	huge := strings.Repeat("#", 3<<20)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("#", 64<<10))
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"Origin":         {"GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nOrigin: https://evil.example\r\n\r\n", 403},
		"null Origin":    {"GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nOrigin: null\r\n\r\n", 403},
		"Referer":        {"GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nReferer: https://evil.example/\r\n\r\n", 403},
		"foreign Host":   {"GET /v1/templates HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
		"Host by IP":     {"GET /v1/templates HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", 403},
		"absolute form":  {"GET http://evil.example/v1/templates HTTP/1.1\r\nHost: agentd\r\n\r\n", 403},
		"huge body":      {fmt.Sprintf("POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: %d\r\n\r\n%s", len(huge), huge), 413},
		"endless body":   {"POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 40), 413},
		"two lengths":    {"POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 400},
		"smuggled":       {"POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: agentd\r\n\r\n", 400},
		"huge header":    {"GET /v1/templates HTTP/1.1\r\nHost: agentd\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431},
		"no HTTP at all": {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 100) + "\r\n\r\n", 400},
	} {
		conn, err := w.dial(mallory)
		must(t, err)
		if got := status(t, conn, c.text); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if c.want == 403 || name == "huge body" || name == "endless body" {
			if got := status(t, naive(), c.text); got != 200 {
				t.Errorf("%s: a server without the guard answers %d: the attack was not tried", name, got)
			}
		}
	}
}

// TestWire_OneUsersSlowConnectionsHoldUpNobodyElse opens hundreds of connections that say little or nothing.
func TestWire_OneUsersSlowConnectionsHoldUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	naive := naiveServer(t)
	const many = 300
	kept := make(chan string, many)
	kinds := []string{"", "GET /v1/temp", "POST /v1/templates HTTP/1.1\r\nHost: agentd\r\nContent-Length: 1000\r\n\r\na"}
	for i := range many {
		conn, err := w.dial(mallory)
		must(t, err)
		defer conn.Close()
		io.WriteString(conn, kinds[i%3])
		go func() {
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			said, err := io.ReadAll(conn)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				kept <- ""
				return
			}
			kept <- fmt.Sprintf("%q, answered with %.60q", kinds[i%3], said)
		}()
	}
	slow := naive()
	defer slow.Close()
	io.WriteString(slow, "GET /v1/temp")
	if got := w.ask(alice, "GET", "/v1/healthz", nil); got.status != 200 {
		t.Errorf("alice gets %d while mallory holds her connections", got.status)
	}
	left := map[string]int{}
	for range many {
		if what := <-kept; what != "" {
			left[what]++
		}
	}
	if len(left) > 0 {
		t.Errorf("slow connections are kept for 20 seconds: %v", left)
	}
	// Weakened: a server without limits waits for ever; this one still does.
	slow.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := slow.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server without limits has closed it: %v", err)
	}
	if got := w.ask(mallory, "GET", "/v1/healthz", nil); got.status != 200 {
		t.Errorf("mallory's own next request: %d", got.status)
	}
}
