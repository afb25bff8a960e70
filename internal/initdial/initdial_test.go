package initdial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

const (
	roleEnv = "AGENTD_TEST_ROLE"
	session = "the-session"
	nonce   = "the-nonce"
	// evil is what the attacker's listener calls its build: all else in its hello is right.
	evil = "evil"
)

// TestMain makes the test binary the processes of the story: who listens is told apart by its process number.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "init":
		serve(os.Args[1], "real")
	case "attacker":
		attack(os.Args[1], os.Args[2])
	}
}

func say(text string) { os.Stdout.WriteString(text + "\n") } //nolint:errcheck // the test sees nothing then

// serve answers every connection on path with a hello.
func serve(path, build string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		say(err.Error())
		return
	}
	say("listens")
	answer(l, build)
}

func answer(l net.Listener, build string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		h := frame.Hello{Frame: int(frame.Version), Build: build, Session: session, Nonce: nonce, PID: 1}
		frame.NewWriter(conn).WriteJSON(frame.TypeHello, h) //nolint:errcheck // gone
		conn.Close()                                        //nolint:errcheck // all was sent
	}
}

// attack puts other things in the place of the socket, and of its whole directory, as fast as it can.
func attack(dir, outside string) {
	socket := filepath.Join(dir, job.SocketName)
	near, far := filepath.Join(dir, "near.sock"), filepath.Join(outside, job.SocketName)
	for _, path := range []string{near, far} {
		l, err := net.Listen("unix", path)
		if err != nil {
			say(err.Error())
			return
		}
		go answer(l, evil)
	}
	kept := filepath.Join(dir, "kept.sock")
	if err := os.Link(socket, kept); err != nil {
		say(err.Error())
		return
	}
	say("begins")
	next := filepath.Join(dir, "next")
	put := func(make func() error) {
		if err := make(); err == nil {
			os.Rename(next, socket) //nolint:errcheck // the next turn tries again
		}
	}
	for {
		put(func() error { return os.Symlink(far, next) })
		put(func() error { return os.Link(kept, next) })
		put(func() error { return os.Link(near, next) })
		put(func() error { return os.Link(kept, next) })
		for range 2 { // there and back
			unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, outside, unix.RENAME_EXCHANGE) //nolint:errcheck // tried again
		}
	}
}

// play starts a process in a role and waits for its first word.
func play(t *testing.T, role string, args ...string) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = []string{roleEnv + "=" + role}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listens\n" && line != "begins\n" {
		t.Fatalf("%s: %q, %v", role, line, err)
	}
	return cmd.Process.Pid
}

// stage sets up the session's directory with its real init, and the attacker.
func stage(t *testing.T) (path string, dir *os.File, want Target) {
	t.Helper()
	base, err := os.MkdirTemp("", "dial") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) }) //nolint:errcheck // best effort
	path, outside := filepath.Join(base, "s"), filepath.Join(base, "o")
	for _, d := range []string{path, outside} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pid := play(t, "init", filepath.Join(path, job.SocketName))
	if dir, err = beneath.Dir(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() }) //nolint:errcheck // only read
	play(t, "attacker", path, outside)
	ours := func(_ context.Context, p int) (bool, error) { return p == pid, nil }
	return path, dir, Target{IsOurs: ours, Session: session, Nonce: nonce}
}

const tries = 1000

// score dials until it has the wanted number of answers, and counts whose they were.
func score(t *testing.T, dial func() (string, error)) (real, fooled, refused int) {
	t.Helper()
	for real+fooled+refused < tries {
		build, err := dial()
		switch {
		case err != nil:
			refused++
		case build == evil:
			fooled++
		default:
			real++
		}
	}
	return real, fooled, refused
}

func TestDial_IsNeverFooledByASwapper(t *testing.T) {
	_, dir, want := stage(t)
	dial := func() (string, error) {
		conn, hello, err := Dial(t.Context(), dir, want)
		if err != nil {
			return "", err
		}
		conn.Close() //nolint:errcheck // only looked at
		return hello.Build, nil
	}
	var real, fooled, refused int
	// On a busy machine a thousand dials may fall between two turns of the swapper.
	for deadline := time.Now().Add(30 * time.Second); (real == 0 || refused == 0) && time.Now().Before(deadline); {
		r, f, n := score(t, dial)
		real, fooled, refused = real+r, fooled+f, refused+n
	}
	t.Logf("of %d: %d reached the session's init, %d were refused, %d were fooled", real+fooled+refused, real, refused, fooled)
	if fooled > 0 || real == 0 || refused == 0 {
		t.Errorf("fooled %d times; real %d and refused %d: both must occur, else nothing was tried", fooled, real, refused)
	}
}

// fooledOnce dials until the swapper has won, half a minute at most: it may not have had a core so far.
func fooledOnce(t *testing.T, dial func() (string, error)) bool {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if _, fooled, _ := score(t, dial); fooled > 0 {
			return true
		}
	}
	return false
}

// The same attack wins against each dial that leaves something out: so the test above can fail.

func TestPlainDial_IsFooledByTheSameSwapper(t *testing.T) {
	path, _, _ := stage(t)
	fooled := fooledOnce(t, func() (string, error) {
		conn, err := net.Dial("unix", filepath.Join(path, job.SocketName))
		if err != nil {
			return "", err
		}
		defer conn.Close() //nolint:errcheck // only looked at
		hello, err := frame.ReadHello(conn)
		return hello.Build, err
	})
	if !fooled {
		t.Error("the swapper won nothing")
	}
}

func TestDialWithoutAskingWhoListens_IsFooledByTheSameSwapper(t *testing.T) {
	_, dir, want := stage(t)
	want.IsOurs = func(context.Context, int) (bool, error) { return true, nil }
	fooled := fooledOnce(t, func() (string, error) {
		conn, hello, err := Dial(t.Context(), dir, want)
		if err != nil {
			return "", err
		}
		conn.Close() //nolint:errcheck // only looked at
		return hello.Build, nil
	})
	if !fooled {
		t.Error("the swapper won nothing")
	}
}

// still is a directory with something in the socket's place, and nobody who moves it.
func still(t *testing.T) (string, *os.File) {
	t.Helper()
	path, err := os.MkdirTemp("", "dial")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(path) }) //nolint:errcheck // best effort
	dir, err := beneath.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() }) //nolint:errcheck // only read
	return path, dir
}

func anyone(context.Context, int) (bool, error) { return true, nil }

func TestDial_RefusesTheWrongAnswer(t *testing.T) {
	path, dir := still(t)
	l, err := net.Listen("unix", filepath.Join(path, job.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's
	go answer(l, "real")
	ok := Target{IsOurs: anyone, Session: session, Nonce: nonce}
	conn, _, err := Dial(t.Context(), dir, ok)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close() //nolint:errcheck // only looked at
	for name, want := range map[string]Target{
		"nonce":       {IsOurs: anyone, Session: session, Nonce: "other"},
		"no nonce":    {IsOurs: anyone, Session: session},
		"session":     {IsOurs: anyone, Session: "other", Nonce: nonce},
		"not ours":    {IsOurs: func(context.Context, int) (bool, error) { return false, nil }, Session: session, Nonce: nonce},
		"engine down": {IsOurs: func(context.Context, int) (bool, error) { return false, errors.New("down") }, Session: session, Nonce: nonce},
	} {
		if _, _, err := Dial(t.Context(), dir, want); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
}

func TestDial_WaitsForNobodyForEver(t *testing.T) {
	path, dir := still(t)
	socket := filepath.Join(path, job.SocketName)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd) //nolint:errcheck // a test's
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: socket}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	want := Target{IsOurs: anyone, Session: session, Nonce: nonce}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it accepts nobody: no hello will come
	if _, _, err := Dial(ctx, dir, want); err == nil {
		t.Fatal("no hello was accepted")
	}
	var busy error
	for range 4 { // until its queue is full
		conn, err := connect(dir)
		if err != nil {
			busy = err
			break
		}
		defer conn.Close() //nolint:errcheck // a test's
	}
	if !errs.Is(busy, errs.Busy) {
		t.Errorf("a full queue: %v, want busy", busy)
	}
}

func TestDial_RefusesWhatIsNoSocket(t *testing.T) {
	path, dir := still(t)
	socket := filepath.Join(path, job.SocketName)
	want := Target{IsOurs: anyone, Session: session, Nonce: nonce}
	for name, make := range map[string]func() error{
		"nothing":     func() error { return nil },
		"file":        func() error { return os.WriteFile(socket, nil, 0o600) },
		"FIFO":        func() error { return unix.Mkfifo(socket, 0o600) },
		"link":        func() error { return os.Symlink("/run/other.sock", socket) },
		"dead socket": func() error { return deadSocket(socket) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Dial(t.Context(), dir, want); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
		os.Remove(socket) //nolint:errcheck // nothing there
	}
}

func deadSocket(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}
