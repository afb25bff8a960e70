package client

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/layout"
)

// refusing is a socket file that nobody listens on, as a killed agentd leaves it.
func refusing(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDial_NoDaemonSaysWhereItLooked(t *testing.T) {
	t.Parallel()
	absent, stale := filepath.Join(shortDir(t), "absent"), refusing(t)
	long := filepath.Join(shortDir(t), strings.Repeat("x", 120))
	_, err := dial(t.Context(), []string{absent, stale, long})
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Code != errs.NoDaemon {
		t.Fatalf("got %v, want code no_daemon", err)
	}
	for _, want := range []string{absent + " (no such socket)", stale + " (nobody listens there)", long, "at most 107"} {
		if !strings.Contains(e.Error(), want) {
			t.Errorf("the message does not say %q: %s", want, e)
		}
	}
	if !strings.Contains(e.Hint, "systemctl status agentd") {
		t.Errorf("the hint does not say what to do: %s", e.Hint)
	}
}

func TestDial_TakesTheFirstThatAnswers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dial(t.Context(), []string{refusing(t), path})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != path {
		t.Errorf("connected to %s, want %s", got, path)
	}
	conn.Close()
}

func TestDial_CancelEndsTheWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ctx, []string{refusing(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestNotPermitted_NamesTheGroup(t *testing.T) {
	t.Parallel()
	path := refusing(t)
	for mode, want := range map[os.FileMode]string{
		0o660: "usermod -aG " + groupName(uint32(os.Getegid())) + " $USER",
		0o600: "another user's",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		err := notPermitted(path)
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Code != errs.Forbidden || !strings.Contains(e.Hint, want) {
			t.Errorf("mode %v: got %#v, want a hint with %q", mode, err, want)
		}
	}
	// A socket in a directory that may not be entered cannot be looked at.
	if e, ok := errors.AsType[*errs.Error](notPermitted("/nonexistent/s")); !ok || !strings.Contains(e.Hint, "group agentd") {
		t.Errorf("got %#v, want the usual group", e)
	}
}

func TestSockets_Order(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	o := Options{UID: 1000, Getenv: func(name string) string { return env[name] }}
	check := func(want ...string) {
		t.Helper()
		if got := strings.Join(sockets(o), " "); got != strings.Join(want, " ") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("/run/user/1000/agentd/agentd.sock", "/run/agentd/agentd.sock")
	env["XDG_RUNTIME_DIR"] = "/x"
	check("/x/agentd/agentd.sock", "/run/agentd/agentd.sock")
	env[layout.SocketEnv] = "/e"
	check("/e")
	o.Socket = "/f"
	check("/f")
}
