package frame

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// pair is a connection and the other side's frames.
func pair(t *testing.T) (client *net.UnixConn, server *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close() //nolint:errcheck // FileConn has its own
		if err != nil {
			t.Fatal(err)
		}
		uc, ok := c.(*net.UnixConn)
		if !ok {
			t.Fatalf("%T", c)
		}
		t.Cleanup(func() { uc.Close() }) //nolint:errcheck // a test's
		conns[i] = uc
	}
	return conns[0], conns[1]
}

// script sends frames to the client.
func script(t *testing.T, conn net.Conn, frames ...any) {
	t.Helper()
	w := NewWriter(conn)
	for i := 0; i < len(frames); i += 2 {
		kind, ok := frames[i].(Type)
		text, ok2 := frames[i+1].(string)
		if !ok || !ok2 {
			t.Errorf("frame %d", i)
			return
		}
		if err := w.Write(kind, []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestStream_DeliversUntilTheExit(t *testing.T) {
	client, server := pair(t)
	go script(t, server, TypeStarted, `{"pid":7}`, TypeStdout, "out", TypeStderr, "err", TypeStdout, "put",
		TypeExit, `{"code":137,"signal":"SIGKILL"}`)
	var out, errOut bytes.Buffer
	var pid int
	exit, err := Stream(t.Context(), client, Streams{Stdout: &out, Stderr: &errOut, Started: func(s Started) { pid = s.PID }})
	if err != nil || exit != (Exit{Code: 137, Signal: "SIGKILL"}) || out.String() != "output" || errOut.String() != "err" || pid != 7 {
		t.Errorf("%+v, %v, %q, %q, pid %d", exit, err, out.String(), errOut.String(), pid)
	}
}

func TestStream_DistrustsTheOtherSide(t *testing.T) {
	for name, tc := range map[string]struct {
		frames []any
		code   errs.Code
		text   string
	}{
		"error":            {[]any{TypeError, `{"code":"conflict","message":"no"}`}, errs.Conflict, "no"},
		"control bytes":    {[]any{TypeError, `{"code":"busy","message":"a\u001b[2Jb"}`}, errs.Busy, "a?[2Jb"},
		"foreign code":     {[]any{TypeError, `{"code":"no_daemon","message":"x"}`}, errs.Internal, "x"},
		"output too early": {[]any{TypeStdout, "x"}, errs.Unavailable, "out of place"},
		"started twice":    {[]any{TypeStarted, "{}", TypeStarted, "{}"}, errs.Unavailable, "out of place"},
		"exit code":        {[]any{TypeStarted, "{}", TypeExit, `{"code":256}`}, errs.Unavailable, "exit code 256"},
		"no JSON":          {[]any{TypeStarted, "x"}, errs.Unavailable, "started"},
		"cut":              {[]any{TypeStarted, "{}"}, errs.Unavailable, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t)
			go func() {
				script(t, server, tc.frames...)
				server.CloseWrite() //nolint:errcheck // the cut
			}()
			_, err := Stream(t.Context(), client, Streams{})
			if !errs.Is(err, tc.code) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v of code %s, want %s with %q", err, errs.CodeOf(err), tc.code, tc.text)
			}
		})
	}
}

func TestStream_SendsNoMoreInputThanItHasCreditFor(t *testing.T) {
	client, server := pair(t)
	over := make(chan struct{})
	go func() {
		defer close(over)
		Stream(t.Context(), client, Streams{Stdin: bytes.NewReader(make([]byte, 3*StdinWindow))}) //nolint:errcheck // below
	}()
	script(t, server, TypeStarted, "{}")
	r := NewReader(server)
	got := 0
	for got < StdinWindow {
		kind, payload, err := r.Next()
		if err != nil || kind != TypeStdin {
			t.Fatalf("type %d, %v", kind, err)
		}
		got += len(payload)
	}
	if got != StdinWindow {
		t.Fatalf("%d bytes without credit, want %d", got, StdinWindow)
	}
	// More credit than was ever taken gives no more than a window.
	script(t, server, TypeWindow, string(binary.BigEndian.AppendUint32(nil, 1<<31)))
	for got < 2*StdinWindow {
		_, payload, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got += len(payload)
	}
	if got != 2*StdinWindow {
		t.Errorf("%d bytes, want %d", got, 2*StdinWindow)
	}
	script(t, server, TypeExit, `{"code":0}`)
	<-over
}

func TestStream_EndsWithItsContext(t *testing.T) {
	client, _ := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Stream(ctx, client, Streams{}); !errs.Is(err, errs.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}

func TestAdopt_PassesExactlyOneDescriptor(t *testing.T) {
	client, server := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan *os.File, 1)
	go func() {
		if kind, _, err := NewReader(server).Next(); err != nil || kind != TypeRequest {
			t.Errorf("request: %d, %v", kind, err)
		}
		script(t, server, TypeOK, "{}")
		f, err := ReceiveFD(server)
		if err != nil {
			t.Error(err)
		}
		script(t, server, TypeOK, "{}")
		received <- f
	}()
	if err := Adopt(t.Context(), client, Request{Op: OpPing}, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close() //nolint:errcheck // the other side has its own
	f := <-received
	if _, err := f.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	f.Close() //nolint:errcheck // read below
	got := make([]byte, 16)
	n, err := r.Read(got)
	if err != nil || string(got[:n]) != "hello" {
		t.Errorf("%q, %v", got[:n], err)
	}
}

func TestReceiveFD_WantsOne(t *testing.T) {
	client, server := pair(t)
	client.Write([]byte{0}) //nolint:errcheck // read below
	if _, err := ReceiveFD(server); err == nil {
		t.Error("no descriptor was accepted")
	}
}
