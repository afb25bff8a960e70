package sessioninit_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
	"agentd/internal/testenv"
)

// docker runs the engine's own command line.
func docker(t *testing.T, engine *testenv.DockerEngine, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", append([]string{"-H", engine.Host}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// engineImage makes an image of the tests' root file system and returns its name.
func engineImage(t *testing.T, engine *testenv.DockerEngine, base string) string {
	t.Helper()
	root, tar := filepath.Join(base, "root"), filepath.Join(base, "root.tar")
	makeRoot(t, root, testenv.Tool(t, "busybox"))
	if out, err := exec.Command("tar", "-C", root, "-cf", tar, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	name := fmt.Sprintf("agentd-init-test-%d", os.Getpid())
	docker(t, engine, "import", tar, name)
	t.Cleanup(func() { docker(t, engine, "rmi", "-f", name) })
	return name
}

// newEngineContainer does with a real engine what agentd does: agentd-init bound read-only, the session's user, no
// capabilities, no new privileges, no network, the engine's own filter of system calls.
func newEngineContainer(t *testing.T, engine *testenv.DockerEngine, j job.Job) (c *container, name string) {
	t.Helper()
	base := t.TempDir()
	if err := os.Chmod(base, 0o755); err != nil { //nolint:gosec // the session's user passes through
		t.Fatal(err)
	}
	program, err := buildInit()
	if err != nil {
		t.Fatal(err)
	}
	name = engineImage(t, engine, base)
	c = &container{t: t, session: filepath.Join(base, "s"), name: testName, nonce: testNonce, exited: make(chan struct{})}
	if err := os.Mkdir(c.session, 0o700); err != nil {
		t.Fatal(err)
	}
	chown(t, c.session)
	c.writeJob(j)
	docker(t, engine, "create", "--name", name, "--user", "1000:1000", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--network", "none", "--memory", "64m", "--pids-limit", "256",
		"-v", program+":"+job.InitPath+":ro", "-v", c.session+":"+job.Dir, name, job.InitPath)
	t.Cleanup(func() { docker(t, engine, "rm", "-f", name) })
	docker(t, engine, "start", name)
	pid, err := strconv.Atoi(docker(t, engine, "inspect", "-f", "{{.State.Pid}}", name))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = &exec.Cmd{Process: process}
	if c.dir, err = beneath.Dir(c.session); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.dir.Close() }) //nolint:errcheck // only read
	return c, name
}

func TestEngine_RunsItAsDesigned(t *testing.T) {
	engine := testenv.Engine(t)
	testenv.Root(t)
	testenv.Tool(t, "docker")
	c, name := newEngineContainer(t, engine, *interactive(
		sh(job.Bootstrap, "id -u; tty || true"), sh(job.Startup, "sleep 1000")))
	c.eventually("the startup", func() bool {
		_, err := job.ReadResult(c.dir, job.BeginName(job.Startup))
		return err == nil
	})
	var out bytes.Buffer
	exit := c.exec(frame.Exec{Argv: []string{"sh", "-c", "tty; exit 33"}, TTY: true}, frame.Streams{Stdout: &out})
	if exit.Code != 33 || out.String() != "/dev/pts/0\r\n" {
		t.Errorf("terminal: %q, %+v", out.String(), exit)
	}
	if got, _ := c.run("cat /proc/self/oom_score_adj"); got != "500\n" {
		t.Errorf("oom_score_adj %q", got)
	}
	if got := c.log(job.Bootstrap, sessionlog.Stdout); got != "1000\nnot a tty\n" {
		t.Errorf("bootstrap %q", got)
	}
	var s frame.Stats
	if err := c.do(frame.Request{Op: frame.OpStats}, &s); err != nil || len(s.Cgroup) == 0 {
		t.Errorf("stats %+v, %v, want the numbers of its own group", s, err)
	}
	c.signal(unix.SIGTERM)
	if code := docker(t, engine, "wait", name); code != "143" {
		t.Errorf("the engine saw exit code %s, want 143", code)
	}
	if r := c.result(job.EndName(job.Startup)); r.Signal != "SIGTERM" {
		t.Errorf("result %+v", r)
	}
}
