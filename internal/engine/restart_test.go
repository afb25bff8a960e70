package engine_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/engine"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// mortal is an engine that a test may kill. Its containerd lives on, as a machine's does.
type mortal struct {
	t       *testing.T
	dir     string
	dockerd *program
}

func startMortal(t *testing.T) *mortal {
	t.Helper()
	testenv.Root(t)
	// Only where engines may be started at all.
	testenv.Engine(t)
	dockerd, containerd := testenv.Tool(t, "dockerd"), testenv.Tool(t, "containerd")
	dir, err := os.MkdirTemp("", "agentd-mortal-")
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{t: t, dir: dir}
	t.Cleanup(func() {
		// An engine that was killed, or keeps its containers, leaves its data directory mounted on itself.
		for _, point := range mountsIn(t, dir) {
			if err := unix.Unmount(point, 0); err != nil {
				t.Errorf("unmount %s: %v", point, err)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for name, text := range map[string]string{
		"c.toml": "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n", "d.json": "{}\n",
	} {
		if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := m.spawn(containerd, "--config", m.path("c.toml"), "--address", m.path("c.sock"),
		"--root", m.path("c-root"), "--state", m.path("c-state"))
	t.Cleanup(func() { m.end(c) })
	m.answers("c.sock", "containerd.log")
	t.Cleanup(func() { m.end(m.dockerd) })
	m.start(dockerd)
	return m
}

// mountsIn lists the mount points beneath dir, the newest first.
func mountsIn(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append([]string{fields[4]}, points...)
		}
	}
	return points
}

func (m *mortal) path(name string) string { return filepath.Join(m.dir, name) }
func (m *mortal) host() string            { return "unix://" + m.path("d.sock") }

func (m *mortal) start(dockerd string) {
	m.t.Helper()
	m.dockerd = m.spawn(dockerd, "--config-file", m.path("d.json"), "--host", m.host(), "--containerd", m.path("c.sock"),
		"--pidfile", m.path("d.pid"), "--data-root", m.path("d-root"), "--exec-root", m.path("d-exec"),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--live-restore", "--log-level=error")
	m.answers("d.sock", "dockerd.log")
}

func (m *mortal) spawn(name string, args ...string) *program {
	m.t.Helper()
	cmd := exec.Command(name, args...)
	log, err := os.Create(m.path(filepath.Base(name) + ".log"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	// If this process is killed, nobody runs the cleanups.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p := &program{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.ended)
		// The kernel sends Pdeathsig when the thread that started the child ends: this one stays until the child has.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() //nolint:errcheck // its status says nothing
		}
	}()
	if err := <-started; err != nil {
		m.t.Fatal(err)
	}
	return p
}

// program is a child and its end.
type program struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// answers waits until somebody listens on the socket, and shows the log of who should if nobody does.
func (m *mortal) answers(name, log string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.path(name))
		if err == nil {
			conn.Close() //nolint:errcheck // nothing was said
			return
		}
		if ctx.Err() != nil {
			text, _ := os.ReadFile(m.path(log)) //nolint:errcheck // it is only shown
			m.t.Fatalf("%s: %v\n%s", name, err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// end asks the program to end, and ends it if it has not in half a minute. One that was never started has ended.
func (m *mortal) end(p *program) {
	if p == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended by itself
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.cmd.Process.Kill() //nolint:errcheck // as above
		<-p.ended
	}
}

// kill9 kills the engine and starts it again.
func (m *mortal) kill9() {
	m.t.Helper()
	if err := m.dockerd.cmd.Process.Kill(); err != nil {
		m.t.Fatal(err)
	}
	<-m.dockerd.ended
	for _, stale := range []string{"d.pid", "d.sock"} {
		if err := os.Remove(m.path(stale)); err != nil && !os.IsNotExist(err) {
			m.t.Fatal(err)
		}
	}
	m.start(m.dockerd.cmd.Path)
}

// The engine is killed under a running container, and the end of it is told exactly, by Wait and by Watch.
func TestWait_OverKillOfARealEngine(t *testing.T) {
	m := startMortal(t)
	e := connect(t, m.host())
	img := loaded(t, m.host(), imagetest.WithBusybox(t, "amd64"))
	s := realSpec(t, e, img, "trap 'exit 42' TERM; while :; do sleep 0.05; done")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan engine.Event, 100)
	watching := make(chan error, 1)
	go func() { watching <- e.Watch(ctx, s.Labels.Instance, func(ev engine.Event) { events <- ev }) }()
	want := func(kind engine.EventKind) {
		t.Helper()
		for {
			select {
			case ev := <-events:
				if ev.Kind == kind {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("no event %s", kind)
			}
		}
	}
	want(engine.EventConnected)
	if _, err := e.Create(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	want(engine.EventStart)
	ended := make(chan engine.Container, 1)
	go func() {
		c, err := e.Wait(ctx, s.Name)
		if err != nil {
			t.Error(err)
		}
		ended <- c
	}()
	m.kill9()
	want(engine.EventConnected)
	if c, err := e.Inspect(ctx, s.Name); err != nil || c.State != engine.Running {
		t.Fatalf("after the kill: %+v, %v", c, err)
	}
	if err := e.Kill(ctx, s.Name, "SIGTERM"); err != nil {
		t.Fatal(err)
	}
	c := <-ended
	if exit := engine.Judge(c, engine.Witness{}); exit.Outcome != engine.OutcomeExited || exit.Code != 42 {
		t.Errorf("judged %+v of %+v", exit, c)
	}
	want(engine.EventDie)
	if err := e.Remove(ctx, s.Name); err != nil {
		t.Error(err)
	}
	cancel()
	<-watching
}
