package engine_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"agentd/internal/engine"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// mortal is an engine that a test may kill. Its containerd lives on, as a machine's does.
type mortal struct {
	t       *testing.T
	dir     string
	dockerd *exec.Cmd
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
	toml := "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
	if err := os.WriteFile(m.path("c.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	c := m.spawn(containerd, "--config", m.path("c.toml"), "--address", m.path("c.sock"),
		"--root", m.path("c-root"), "--state", m.path("c-state"))
	m.answers("c.sock")
	m.start(dockerd)
	t.Cleanup(func() {
		m.end(m.dockerd)
		m.end(c)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *mortal) path(name string) string { return filepath.Join(m.dir, name) }
func (m *mortal) host() string            { return "unix://" + m.path("d.sock") }

func (m *mortal) start(dockerd string) {
	m.t.Helper()
	m.dockerd = m.spawn(dockerd, "--config-file", os.DevNull, "--host", m.host(), "--containerd", m.path("c.sock"),
		"--pidfile", m.path("d.pid"), "--data-root", m.path("d-root"), "--exec-root", m.path("d-exec"),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--live-restore", "--log-level=error")
	m.answers("d.sock")
}

func (m *mortal) spawn(name string, args ...string) *exec.Cmd {
	m.t.Helper()
	cmd := exec.Command(name, args...)
	log, err := os.Create(m.path(filepath.Base(name) + ".log"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return cmd
}

// answers waits until somebody listens on the socket.
func (m *mortal) answers(name string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.path(name))
		if err == nil {
			conn.Close() //nolint:errcheck // nothing was said
			return
		}
		if ctx.Err() != nil {
			m.t.Fatalf("%s: %v", name, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (m *mortal) end(cmd *exec.Cmd) {
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		m.t.Error(err)
	}
	cmd.Wait() //nolint:errcheck // its status says nothing
}

// kill9 kills the engine and starts it again.
func (m *mortal) kill9() {
	m.t.Helper()
	if err := m.dockerd.Process.Kill(); err != nil {
		m.t.Fatal(err)
	}
	m.dockerd.Wait() //nolint:errcheck // it was killed
	for _, stale := range []string{"d.pid", "d.sock"} {
		if err := os.Remove(m.path(stale)); err != nil && !os.IsNotExist(err) {
			m.t.Fatal(err)
		}
	}
	m.start(m.dockerd.Path)
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
