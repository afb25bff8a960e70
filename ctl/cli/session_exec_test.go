package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"agentd/internal/api"
	"agentd/internal/frame"
)

// execLimit bounds an exec of these tests: only a broken one takes so long.
const execLimit = 30 * time.Second

// initAt serves one exec at a socket, as agentd and agentd-init would; play has the frames after the request.
func initAt(t *testing.T, play func(req frame.Request, r *frame.Reader, w *frame.Writer)) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ctl-exec-") //nolint:usetesting // its paths are too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var playing sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		playing.Add(1)
		defer playing.Done()
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		// A frame that never comes fails the test, and does not hold it up.
		conn.SetDeadline(time.Now().Add(execLimit))
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", api.FrameProtocol)
		r := frame.NewReader(buffered)
		_, payload, err := r.Next()
		req, parseErr := parseRequest(payload)
		if err != nil || parseErr != nil {
			t.Errorf("request: %v %v", err, parseErr)
			return
		}
		play(req, r, frame.NewWriter(conn))
	})}
	go srv.Serve(l)
	t.Cleanup(func() {
		srv.Close()
		playing.Wait()
	})
	return path
}

// TestExec_TerminalIsRawAndResizes sends itself a signal, so it does not run beside others.
func TestExec_TerminalIsRawAndResizes(t *testing.T) {
	person, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer person.Close()
	defer tty.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(attributes(t, tty))
	path := initAt(t, func(req frame.Request, r *frame.Reader, w *frame.Writer) {
		e := req.Exec
		if req.Op != frame.OpExec || !e.TTY || !e.Stdin || e.Size != (frame.Size{Rows: 24, Cols: 80}) ||
			strings.Join(e.Env, " ") != "TERM=vt100 A=1" || strings.Join(e.Argv, " ") != "sh -i" {
			t.Errorf("request: %+v", e)
		}
		w.WriteJSON(frame.TypeStarted, frame.Started{PID: 5, TTY: true})
		// Keys that come before the terminal is raw are the kernel's: it makes a signal and the end of the input of them.
		if !raw(t, tty) {
			t.Error("the terminal did not become raw")
			return
		}
		// The keys of ctrl-C and ctrl-D are bytes like any others, and come without an Enter.
		person.Write([]byte("\x03\x04x"))
		got := ""
		for got != "\x03\x04x" {
			kind, payload, err := r.Next()
			if err != nil || kind != frame.TypeStdin {
				t.Errorf("keys: frame %d %q %v", kind, payload, err)
				return
			}
			got += string(payload)
		}
		pty.Setsize(tty, &pty.Winsize{Rows: 30, Cols: 100})
		syscall.Kill(os.Getpid(), syscall.SIGWINCH)
		kind, payload, err := r.Next()
		if size, bad := frame.ParseSize(payload); err != nil || bad != nil || kind != frame.TypeResize ||
			size != (frame.Size{Rows: 30, Cols: 100}) {
			t.Errorf("resize: frame %d %v %v", kind, payload, err)
		}
		w.Write(frame.TypeStdout, []byte("a\r\nb"))
		w.WriteJSON(frame.TypeExit, frame.Exit{Code: 5})
	})
	status := Main([]string{"session", "exec", "-it", "-e", "A=1", "x", "--", "sh", "-i"}, Stdio{
		In: tty, Out: tty, Err: io.Discard, UID: os.Getuid(),
		Getenv: func(name string) string { return map[string]string{"AGENTD_SOCKET": path, "TERM": "vt100"}[name] },
	})
	if status != 5 {
		t.Errorf("status %d, want 5", status)
	}
	if after := fmt.Sprint(attributes(t, tty)); after != before {
		t.Errorf("the terminal was left raw: %s, was %s", after, before)
	}
	if t.Failed() {
		return // nothing may ever be shown
	}
	shown := make([]byte, 4)
	if _, err := io.ReadFull(person, shown); err != nil || string(shown) != "a\r\nb" {
		t.Errorf("shown %q, %v", shown, err)
	}
}

func parseRequest(payload []byte) (req frame.Request, err error) {
	return req, json.Unmarshal(payload, &req)
}

// raw waits until the terminal passes keys on as they are.
func raw(t *testing.T, tty *os.File) bool {
	for end := time.Now().Add(execLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if attributes(t, tty).Lflag&(unix.ICANON|unix.ISIG|unix.ECHO) == 0 {
			return true
		}
	}
	return false
}

func attributes(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	got, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *got
}
