package dockerd

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"agentd/internal/testenv/scratch"
)

// needs skips without what a private engine needs; the gates proper are in testenv, which imports this package.
func needs(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("gate root: needs root")
	}
	if !slices.Contains(strings.Split(os.Getenv("AGENTD_TEST_REQUIRE"), ","), "engine") {
		t.Skip("gate engine: only with AGENTD_TEST_REQUIRE=engine, or make test")
	}
	// Start sweeps this directory alone, not that of an engine that some other test uses.
	t.Setenv("TMPDIR", shortTemp(t))
}

// shortTemp is a temporary directory whose name leaves room for the names of sockets, which end at 107 bytes.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "agentd-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("something is left: %v", err)
		}
	})
	return dir
}

// ownerEnv makes this test program the owner of an engine, which it starts and waits to be killed.
const ownerEnv = "AGENTD_TEST_DOCKERD_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerEnv) == "" {
		os.Exit(m.Run())
	}
	e, err := Start(context.Background())
	if err != nil {
		os.Stdout.WriteString("error: " + err.Error() + "\n") //nolint:errcheck // the reader sees the end of the file
		os.Exit(1)
	}
	os.Stdout.WriteString(e.dir + "\n") //nolint:errcheck // the reader sees the end of the file
	select {}
}

func TestEngine_LeavesNothingBehind(t *testing.T) {
	needs(t)
	before := lookForTraces()
	e, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ping(t.Context(), e.Host()); err != nil {
		t.Error(err)
	}
	runContainer(t, e)
	if got := processesOf(e.dir); len(got) < 3 {
		t.Errorf("processes %v, want dockerd, containerd and a shim at least: would an orphan be found?", got)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	assertGone(t, e.dir)
	for path, was := range lookForTraces() {
		if was != before[path] {
			t.Errorf("%s: there %v, before %v", path, was, before[path])
		}
	}
}

func TestSweep_EndsTheEngineOfAKilledOwner(t *testing.T) {
	needs(t)
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerEnv+"=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	dir := string(bytes.TrimSpace(buf[:n]))
	runContainer(t, &Engine{dir: dir})

	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("Sweep touched an engine that has its owner: %v", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	owner.Wait() //nolint:errcheck // killed
	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	assertGone(t, dir)
}

func TestDo_ListensWhereTheEngineIs(t *testing.T) {
	needs(t)
	netns, err := newNetNS()
	if err != nil {
		t.Fatal(err)
	}
	defer netns.Close()
	e := &Engine{netns: netns}
	var l net.Listener
	if err := e.Do(func() (err error) { l, err = net.Listen("tcp", "127.0.0.1:0"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
		t.Error("the port answers in the test's own network")
	}
	go func() {
		if conn, err := l.Accept(); err == nil {
			conn.Write([]byte("here")) //nolint:errcheck // the reader sees what came
			conn.Close()
		}
	}()
	var got []byte
	err = e.Do(func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		got, err = io.ReadAll(conn)
		return err
	})
	if err != nil || string(got) != "here" {
		t.Errorf("got %q, %v", got, err)
	}
}

// runContainer starts a container that stays.
func runContainer(t *testing.T, e *Engine) {
	t.Helper()
	root := t.TempDir()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("gate busybox: needs the program busybox: apt-get install busybox-static")
	}
	text, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "sleep"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	tar, err := exec.Command("tar", "-C", root, "-c", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	docker := func(stdin []byte, args ...string) {
		t.Helper()
		cmd := exec.Command("docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host())
		cmd.Stdin = bytes.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker %v: %v\n%s", args, err, out)
		}
	}
	docker(tar, "import", "-", "sleeper")
	docker(nil, "run", "--detach", "sleeper", "/sleep", "1000")
}

func assertGone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
	if left, err := scratch.Mounts(dir); err != nil || len(left) > 0 {
		t.Errorf("mounts left: %v, %v", left, err)
	}
	if left := processesOf(dir); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}
