package systemd_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/systemd"
)

// TestMain is, as a child of TestListener, a service that systemd activates: it says what it was given.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	// Only systemd knows the pid of a service before it runs; a child tells it to itself.
	if os.Getenv("LISTEN_FDS") != "" {
		if err := os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())); err != nil {
			panic(err)
		}
	}
	ln, err := systemd.Listener()
	switch {
	case err != nil:
		fmt.Printf("%s: %v", errs.CodeOf(err), err)
	case ln == nil:
		fmt.Print("none")
	default:
		fmt.Print(ln.Addr(), os.Getenv("LISTEN_FDS"))
		conn, err := ln.Accept()
		if err == nil {
			_, err = conn.Write([]byte("hello"))
		}
		if err == nil {
			err = conn.Close()
		}
		fmt.Print(" ", err)
	}
}

// notifySocket listens as the service manager does, and returns the next message.
func notifySocket(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestNotifier_Messages(t *testing.T) {
	next := notifySocket(t)
	var n systemd.Notifier
	for want, do := range map[string]func() error{
		`^READY=1$`:    n.Ready,
		`^STOPPING=1$`: n.Stopping,
		`^WATCHDOG=1$`: n.Ping,
		`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`: n.Reloading,
		`^STATUS=serving 3 templates$`:              func() error { return n.Status("serving 3 templates") },
	} {
		if err := do(); err != nil {
			t.Error(err)
			continue
		}
		if got := next(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got %q; want %s", got, want)
		}
	}
}

func TestNotifier_NothingOutsideSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var n systemd.Notifier
	for _, do := range []func() error{n.Ready, n.Stopping, n.Ping, n.Reloading, func() error { return n.Status("x") }} {
		if err := do(); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "/nonexistent/notify")
	if err := n.Ready(); err == nil {
		t.Error("a manager that cannot be reached is no error")
	}
}

func TestWatchdog(t *testing.T) {
	for _, row := range []struct {
		usec, pid string
		want      time.Duration
		ok        bool
	}{
		{"", "", 0, true},
		{"30000000", "", 30 * time.Second, true},
		{"30000000", fmt.Sprint(os.Getpid()), 30 * time.Second, true},
		{"30000000", "1", 0, true},
		{"soon", "", 0, false},
	} {
		t.Setenv("WATCHDOG_USEC", row.usec)
		t.Setenv("WATCHDOG_PID", row.pid)
		got, err := systemd.Watchdog()
		if got != row.want || (err == nil) != row.ok {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, %v; want %v", row.usec, row.pid, got, err, row.want)
		}
	}
}

func TestUnderJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]bool{
		"": false, "x": false, "1:2": false,
		fmt.Sprintf("%d:%d", st.Dev, st.Ino):   true,
		fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false,
	} {
		t.Setenv("JOURNAL_STREAM", env)
		if got := systemd.UnderJournal(f); got != want {
			t.Errorf("JOURNAL_STREAM=%q: %t; want %t", env, got, want)
		}
	}
}

// child runs this test's program as a service with the given files from descriptor 3 on.
func child(t *testing.T, files ...*os.File) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_CHILD=1", "LISTEN_PID=", fmt.Sprintf("LISTEN_FDS=%d", len(files)))
	if len(files) == 0 {
		cmd.Env = append(cmd.Env, "LISTEN_FDS=")
	}
	var out bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = files, &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

func said(t *testing.T, cmd *exec.Cmd, out *bytes.Buffer) string {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// socket makes a socket of a kind; bound and listening if there is an address.
func socket(t *testing.T, domain, kind int, addr unix.Sockaddr, listen bool) *os.File {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	t.Cleanup(func() { f.Close() })
	if addr != nil {
		if err := unix.Bind(fd, addr); err != nil {
			t.Fatal(err)
		}
	}
	if listen {
		if err := unix.Listen(fd, 8); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestListener_TakesTheManagersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cmd, out := child(t, socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: path}, true))
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := conn.Read(buf); err != nil || string(buf) != "hello" {
		t.Errorf("read %q, %v", buf, err)
	}
	if got := said(t, cmd, out); got != path+" <nil>" {
		t.Errorf("the service says %q; want the path, and LISTEN_FDS gone", got)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the service removed the manager's socket: %v", err)
	}
}

func TestListener_RefusesOthers(t *testing.T) {
	dir := t.TempDir()
	unixStream := func(name string) *os.File {
		return socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: filepath.Join(dir, name)}, true)
	}
	file, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for want, files := range map[string][]*os.File{
		"none": {},
		"invalid: the service manager passed 2 sockets": {unixStream("a"), unixStream("b")},
		"invalid: the service manager passed a socket of tcp": {
			socket(t, unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, true)},
		"invalid: the service manager passed a socket that is not a stream": {
			socket(t, unix.AF_UNIX, unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: filepath.Join(dir, "d")}, false)},
		"invalid: the service manager passed a connection, not a listening socket: Accept=yes?": {
			socket(t, unix.AF_UNIX, unix.SOCK_STREAM, nil, false)},
		"invalid: the service manager passed something that is no socket (socket operation on non-socket)": {file},
	} {
		cmd, out := child(t, files...)
		if got := said(t, cmd, out); strings.TrimSpace(got) != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}
