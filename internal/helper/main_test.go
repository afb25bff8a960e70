package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/testenv"
)

// TestMain makes the test binary its own helper, as agentd's main does.
func TestMain(m *testing.M) {
	if Wanted(os.Args) {
		os.Exit(Main(testTable()))
	}
	if os.Getenv(parentEnv) != "" {
		os.Exit(beParent())
	}
	os.Exit(m.Run())
}

// parentEnv makes the test binary a parent whose child hangs, and which is going to be killed.
const parentEnv = "HELPER_TEST_PARENT"

// beParent prints the process ids of the child and of what that has started.
func beParent() int {
	me := identity.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	k, err := Starter{}.Start(me)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	err = k.Do(context.Background(), "hang", nil, nil, func(grandchild json.RawMessage) {
		fmt.Println(k.PID(), string(grandchild))
	})
	fmt.Println(err)
	return 1
}

type who struct {
	UID, GID, Umask, Dumpable, NoNewPrivs int
	Groups                                []int
	Dir, CapEff                           string
	Env, Args                             []string
	Rlimits                               map[string]uint64
}

func testTable() Table {
	return Table{
		"who":   func(context.Context, *Call) (any, error) { return whoAmI() },
		"fail":  func(context.Context, *Call) (any, error) { return nil, wrapped() },
		"plain": func(context.Context, *Call) (any, error) { return nil, errors.New("plain") },
		"die": func(context.Context, *Call) (any, error) {
			os.Stderr.WriteString("last words\nmore")
			os.Exit(3)
			return nil, nil
		},
		"hog":    hog,
		"events": events,
		"hang":   hang,
		"cat":    cat,
		"big":    bigFile,
		"huge":   func(context.Context, *Call) (any, error) { return strings.Repeat("x", 2*maxMessage), nil },
	}
}

func wrapped() error {
	e := errs.New(errs.Unavailable, "the %s", "cause").WithHint("do this")
	e.Problems = []errs.Problem{{Line: 3, Rule: "r", Message: "m"}}
	return e
}

func whoAmI() (any, error) {
	umask := unix.Umask(0)
	unix.Umask(umask)
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return nil, err
	}
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return nil, err
	}
	groups, err := os.Getgroups()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	_, caps, _ := strings.Cut(string(status), "CapEff:\t")
	caps, _, _ = strings.Cut(caps, "\n")
	limits := map[string]uint64{}
	for name, resource := range map[string]int{
		"data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE, "nofile": unix.RLIMIT_NOFILE, "core": unix.RLIMIT_CORE,
	} {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil {
			return nil, err
		}
		limits[name] = l.Max
	}
	return who{
		UID: os.Geteuid(), GID: os.Getegid(), Groups: groups, Umask: umask, Dumpable: dumpable, NoNewPrivs: nnp,
		Dir: dir, CapEff: caps, Env: os.Environ(), Args: os.Args[1:], Rlimits: limits,
	}, nil
}

func hog(context.Context, *Call) (any, error) {
	var all [][]byte
	for range 1 << 12 {
		all = append(all, bytes.Repeat([]byte{1}, 1<<20))
	}
	return len(all), nil
}

func events(_ context.Context, c *Call) (any, error) {
	var n int
	if err := c.Decode(&n); err != nil {
		return nil, err
	}
	for i := range n {
		if err := c.Emit(i); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// hang starts a grandchild, says its process id, and waits for ever.
func hang(_ context.Context, c *Call) (any, error) {
	cmd := exec.Command("/bin/sleep", "1000")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.Emit(cmd.Process.Pid); err != nil {
		return nil, err
	}
	select {}
}

func cat(_ context.Context, c *Call) (any, error) {
	text, err := io.ReadAll(c.Files()[0])
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if _, err := w.WriteString("back: " + string(text)); err != nil {
		return nil, err
	}
	c.Attach(r)
	return len(text), w.Close()
}

func bigFile(_ context.Context, c *Call) (any, error) {
	var path string
	if err := c.Decode(&path); err != nil {
		return nil, err
	}
	return nil, os.WriteFile(path, make([]byte, 1<<20), 0o600)
}

// someone is an ordinary user if the test runs as root, else the user himself.
func someone() identity.Caller {
	if os.Geteuid() == 0 {
		return identity.Caller{UID: 2001, GID: 2002, Groups: []uint32{2003, 2004}}
	}
	return identity.Caller{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

func start(t testing.TB, s Starter, as identity.Caller) *Session {
	t.Helper()
	k, err := s.Start(as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// theirDir is a directory of the caller's.
func theirDir(t testing.TB, as identity.Caller) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = dir[:strings.LastIndex(d, "/")] {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, int(as.UID), int(as.GID)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func rootOnly(t *testing.T) { testenv.Root(t) }
