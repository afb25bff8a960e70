package sessioninit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"agentd/internal/beneath"
	"agentd/internal/frame"
	"agentd/internal/initdial"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
	"agentd/internal/testenv"
)

const (
	testUID   = 1000
	testNonce = "nonce-of-this-run"
	testName  = "session-under-test"
)

func TestMain(m *testing.M) {
	if os.Getenv(containerEnv) != "" {
		os.Exit(becomeContainer())
	}
	dir, err := os.MkdirTemp("", "agentd-init-test")
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // the session's user runs it
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n") //nolint:errcheck // there is nobody else to tell
		os.Exit(1)
	}
	programDir = dir
	code := testenv.Main(m)
	os.RemoveAll(dir) //nolint:errcheck // best effort
	os.Exit(code)
}

// programDir is where the program is built; it is removed after the tests.
var programDir string

// buildInit builds the program once for all tests.
var buildInit = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "agentd-init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./agentd-init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// container is agentd-init as the first process of new namespaces, as an ordinary user without capabilities.
type container struct {
	t    testing.TB
	root string
	// session is the session's directory on the host.
	session string
	dir     *os.File
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	exited  chan struct{}
	name    string
	nonce   string
}

// option changes the container before its start.
type option func(*container)

// withDisk gives the session's directory a file system of its own with that many bytes.
func withDisk(size string) option {
	return func(c *container) {
		c.t.Helper()
		if err := syscall.Mount("tmpfs", c.session, "tmpfs", 0, "size="+size+",mode=0700,uid=1000,gid=1000"); err != nil {
			c.t.Fatalf("mount: %v", err)
		}
		c.t.Cleanup(func() { syscall.Unmount(c.session, syscall.MNT_DETACH) }) //nolint:errcheck // best effort
	}
}

// newContainer starts agentd-init with j, or without a job if j is nil.
func newContainer(t testing.TB, j *job.Job, options ...option) *container {
	t.Helper()
	testenv.Root(t)
	busybox := testenv.Tool(t, "busybox")
	program, err := buildInit()
	if err != nil {
		t.Fatalf("build agentd-init: %v", err)
	}
	base, err := os.MkdirTemp("", "init") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	c := &container{t: t, root: filepath.Join(base, "root"), session: filepath.Join(base, "s"),
		exited: make(chan struct{}), name: testName, nonce: testNonce}
	t.Cleanup(func() { os.RemoveAll(base) }) //nolint:errcheck // best effort
	makeRoot(t, c.root, busybox)
	if err := os.Mkdir(c.session, 0o700); err != nil {
		t.Fatal(err)
	}
	chown(t, c.session)
	for _, o := range options {
		o(c)
	}
	if j != nil {
		c.writeJob(*j)
	}
	c.start(program)
	return c
}

func (c *container) writeJob(j job.Job) {
	c.t.Helper()
	data, err := json.Marshal(complete(j))
	if err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join(c.session, job.FileName)
	if err := os.WriteFile(path, data, 0o400); err != nil {
		c.t.Fatal(err)
	}
	chown(c.t, path)
}

// complete fills in what every job needs.
func complete(j job.Job) job.Job {
	j.Version, j.Session, j.Nonce = job.Version, testName, testNonce
	if j.Env == nil {
		j.Env = []string{"PATH=/bin", "HOME=/home/work"}
	}
	if j.Dir == "" {
		j.Dir = job.HomeDir
	}
	return j
}

// sh is a step that runs a script.
func sh(name, script string) job.Step {
	return job.Step{Name: name, Argv: []string{"/bin/sh", "-c", script}}
}

func (c *container) start(program string) {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.Command(self)
	c.cmd.Env = []string{containerEnv + "=1", "TEST_ROOT=" + c.root, "TEST_SESSION=" + c.session, "TEST_INIT=" + program}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatalf("start: %v", err)
	}
	go func() {
		c.cmd.Wait() //nolint:errcheck // the tests look at ProcessState
		close(c.exited)
	}()
	c.t.Cleanup(func() {
		c.cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-c.exited
		if c.dir != nil {
			c.dir.Close() //nolint:errcheck // only read
		}
	})
	if c.dir, err = beneath.Dir(c.session); err != nil {
		c.t.Fatal(err)
	}
}

// wait returns the exit code of agentd-init.
func (c *container) wait() int {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(60 * time.Second):
		c.t.Fatalf("agentd-init does not end; log:\n%s", c.logText())
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *container) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatalf("signal: %v", err)
	}
}

// dial reaches the socket in the safe way; it waits until somebody listens.
func (c *container) dial() *net.UnixConn {
	c.t.Helper()
	var conn *net.UnixConn
	c.eventually("a listener", func() bool {
		var err error
		conn, _, err = initdial.Dial(c.t.Context(), c.dir, c.target())
		return err == nil
	})
	c.t.Cleanup(func() { conn.Close() }) //nolint:errcheck // closed already, mostly
	return conn
}

func (c *container) target() initdial.Target {
	return initdial.Target{Session: c.name, Nonce: c.nonce, IsOurs: func(_ context.Context, pid int) (bool, error) {
		return pid == c.cmd.Process.Pid, nil
	}}
}

// eventually waits for an event that nobody tells us of.
func (c *container) eventually(what string, happened func() bool) {
	c.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !happened() {
		select {
		case <-tick.C:
		case <-c.exited:
			if !happened() {
				c.t.Fatalf("agentd-init ended with %d before: %s; stderr: %s", c.wait(), what, c.stderr.String())
			}
			return
		case <-limit:
			c.t.Fatalf("did not happen: %s; log:\n%s", what, c.logText())
		}
	}
}

// do performs one request.
func (c *container) do(req frame.Request, answer any) error {
	c.t.Helper()
	conn := c.dial()
	defer conn.Close() //nolint:errcheck // all was read
	return frame.Do(c.t.Context(), conn, req, answer)
}

// run runs a script by exec and returns its output.
func (c *container) run(script string) (stdout string, exit frame.Exit) {
	c.t.Helper()
	var out, errOut bytes.Buffer
	exit = c.exec(frame.Exec{Argv: []string{"/bin/sh", "-c", script}}, frame.Streams{Stdout: &out, Stderr: &errOut})
	if errOut.Len() > 0 {
		c.t.Logf("stderr of %q: %s", script, errOut.String())
	}
	return out.String(), exit
}

func (c *container) exec(e frame.Exec, s frame.Streams) frame.Exit {
	c.t.Helper()
	conn := c.dial()
	defer conn.Close() //nolint:errcheck // all was read
	exit, err := frame.Run(c.t.Context(), conn, e, s)
	if err != nil {
		c.t.Fatalf("exec %q: %v; log:\n%s", e.Argv, err, c.logText())
	}
	return exit
}

// result reads a step's result, as agentd would.
func (c *container) result(name string) job.Result {
	c.t.Helper()
	r, err := job.ReadResult(c.dir, name)
	if err != nil {
		c.t.Fatalf("result %s: %v; log:\n%s", name, err, c.logText())
	}
	return r
}

// ping waits for a state of the session.
func (c *container) awaitState(state string) {
	c.t.Helper()
	c.eventually("state "+state, func() bool {
		var s frame.Status
		return c.do(frame.Request{Op: frame.OpPing}, &s) == nil && s.State == state
	})
}

// awaitFile waits for a file that the session makes in its home.
func (c *container) awaitFile(name string) {
	c.t.Helper()
	c.eventually("file "+name, func() bool {
		_, err := os.Stat(filepath.Join(c.root, job.HomeDir, name))
		return err == nil
	})
}

// log is what one stream of one step said, put together again.
func (c *container) log(step string, s sessionlog.Stream) string {
	c.t.Helper()
	var b strings.Builder
	err := sessionlog.Read(c.t.Context(), c.dir, sessionlog.Options{Name: job.LogName, Tail: -1},
		func(l sessionlog.Line) error {
			if l.Step == step && l.Stream == s {
				b.Write(l.Text)
				if !l.Partial {
					b.WriteByte('\n')
				}
			}
			return nil
		})
	if err != nil {
		c.t.Fatalf("log: %v", err)
	}
	return b.String()
}

// logText is the newest part, for messages.
func (c *container) logText() string {
	f, err := os.Open(filepath.Join(c.session, job.LogName))
	if err != nil {
		return err.Error()
	}
	defer f.Close()                                  //nolint:errcheck // only read
	text, _ := io.ReadAll(io.LimitReader(f, 64<<10)) //nolint:errcheck // for a message
	return string(text) + c.stderr.String()
}

func chown(t testing.TB, path string) {
	t.Helper()
	if err := os.Lchown(path, testUID, testUID); err != nil {
		t.Fatal(err)
	}
}
