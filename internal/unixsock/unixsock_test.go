package unixsock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/testenv"
	"agentd/internal/unixsock"
)

// TestMain is, as a child of a test, a client that connects and waits until its standard input ends.
func TestMain(m *testing.M) {
	path := os.Getenv("TEST_DIAL")
	if path == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("connected")
	if _, err := os.Stdin.Read(make([]byte, 1)); err == nil {
		panic("nothing is ever written")
	}
	conn.Close()
}

func options() unixsock.Options { return unixsock.Options{Mode: 0o660, GID: unixsock.KeepGID} }

func listen(t *testing.T, path string) *unixsock.Listener {
	t.Helper()
	l, err := unixsock.Listen(t.Context(), path, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// names lists a directory: nothing but the socket may be left in it.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestListen_RightsAndRemoval(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	opt := options()
	opt.Mode = 0o666
	if os.Geteuid() == 0 {
		opt.GID = 4321
	}
	l, err := unixsock.Listen(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o666 {
		t.Errorf("mode %v", info.Mode())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || os.Geteuid() == 0 && st.Gid != 4321 {
		t.Errorf("group of %+v", info.Sys())
	}
	if got := l.Addr().String(); got != path {
		t.Errorf("address %s; want %s", got, path)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"s"}) {
		t.Errorf("beside the socket: %v", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestListen_RefusesALivePeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := listen(t, path)
	_, err := unixsock.Listen(t.Context(), path, options())
	want := fmt.Sprintf("another agentd serves %s (pid %d)", path, os.Getpid())
	if !errs.Is(err, errs.Conflict) || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	if conn, err := unixsock.Dial(t.Context(), path); err != nil {
		t.Errorf("the first is hurt: %v", err)
	} else {
		conn.Close()
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

func TestListen_HealsAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead := listen(t, path)
	// As kill -9 does: the socket is closed, its file stays.
	if err := dead.UnixListener.Close(); err != nil {
		t.Fatal(err)
	}
	l := listen(t, path)
	if !l.Healed {
		t.Error("nothing was healed")
	}
	if conn, err := unixsock.Dial(t.Context(), path); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	// The dead one's Close comes late, and must not take the other's file away.
	if err := dead.Close(); err == nil {
		t.Error("closed twice without an error")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

func TestListen_LeavesOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	make := map[string]func(string) error{
		"a file":           func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) },
		"a directory":      func(p string) error { return os.Mkdir(p, 0o700) },
		"a symbolic link":  func(p string) error { return os.Symlink("/nowhere", p) },
		"a device or pipe": func(p string) error { return unix.Mkfifo(p, 0o600) },
	}
	for what, create := range make {
		path := filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
		if err := create(path); err != nil {
			t.Fatal(err)
		}
		before := names(t, dir)
		_, err := unixsock.Listen(t.Context(), path, options())
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "it is "+what+", not a socket") {
			t.Errorf("%s: %v", what, err)
		}
		if after := names(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: before %v, after %v", what, before, after)
		}
	}
}

func TestListen_RemovesALeftoverOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	leftover := listen(t, filepath.Join(dir, ".s"+strconv.Itoa(os.Getpid())))
	if err := leftover.UnixListener.Close(); err != nil {
		t.Fatal(err)
	}
	l := listen(t, filepath.Join(dir, "s"))
	if got := names(t, dir); !slices.Equal(got, []string{"s"}) {
		t.Errorf("beside the socket: %v", got)
	}
	l.Close()
}

func TestListen_Paths(t *testing.T) {
	dir := t.TempDir()
	fits := filepath.Join(dir, strings.Repeat("x", unixsock.MaxPath-len(dir)-1))
	listen(t, fits)
	for path, want := range map[string]string{
		fits + "y":         "has 108 bytes; a Unix socket's path has at most 107",
		"relative":         `socket path "relative" is not absolute`,
		dir + "/missing/s": "listen on " + dir + "/missing/s: ",
	} {
		_, err := unixsock.Listen(t.Context(), path, options())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", path, err, want)
		}
		if _, err := unixsock.Dial(t.Context(), path); err == nil {
			t.Errorf("dialled %s", path)
		}
	}
	if _, err := unixsock.Dial(t.Context(), dir+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dial nothing: %v; want fs.ErrNotExist", err)
	}
}

func TestListen_CleansUpWhenRightsCannotBeSet(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may give a socket to any group")
	}
	dir := t.TempDir()
	opt := options()
	opt.GID = 0
	if _, err := unixsock.Listen(t.Context(), filepath.Join(dir, "s"), opt); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v; want a permission error", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

// accepted connects a child with the given credential, and returns the server's end.
func accepted(t *testing.T, cred *syscall.Credential) (net.Conn, int) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "u") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.Mode = 0o666
	l, err := unixsock.Listen(t.Context(), dir+"/s", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	// The test's program lies where another user cannot reach it: so a copy of it.
	exe := dir + "/client"
	program, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(exe, program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{"TEST_DIAL=" + dir + "/s"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, cmd.Process.Pid
}

func TestCredentials_AreTheKernels(t *testing.T) {
	testenv.Root(t)
	// More groups than the first guess of the buffer has room for.
	groups := make([]uint32, 100)
	for i := range groups {
		groups[i] = uint32(5000 + i)
	}
	conn, pid := accepted(t, &syscall.Credential{Uid: 1234, Gid: 2345, Groups: groups})
	got, err := unixsock.Credentials(conn)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got.Groups)
	if got.UID != 1234 || got.GID != 2345 || !slices.Equal(got.Groups, groups) || int(got.PID) != pid || got.Admin {
		t.Errorf("got %+v; want uid 1234, gid 2345, pid %d, no admin and 100 groups", got, pid)
	}
}

func TestCredentials_NeedASocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := unixsock.Credentials(a); err == nil {
		t.Error("a pipe has credentials")
	}
	ctx := unixsock.ConnContext(nil, slog.New(slog.DiscardHandler))(context.Background(), a)
	if _, ok := identity.From(ctx); ok {
		t.Error("a pipe has a caller")
	}
}

func TestConnContext_CarriesTheCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, path)
	client, err := unixsock.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, admin := range []bool{true, false} {
		decide := func(c identity.Caller) bool { return admin && c.UID == uint32(os.Geteuid()) }
		got, ok := identity.From(unixsock.ConnContext(decide, slog.New(slog.DiscardHandler))(t.Context(), conn))
		if !ok || got.UID != uint32(os.Geteuid()) || int(got.PID) != os.Getpid() || got.Admin != admin {
			t.Errorf("got %+v, %t; want this process, admin %t", got, ok, admin)
		}
	}
}
