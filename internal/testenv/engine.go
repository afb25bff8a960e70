package testenv

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"agentd/internal/testenv/dockerd"
)

// DockerEngine is a Docker Engine that tests may use. It may be the machine's own: a test names what it makes there
// after itself, counts what is left of that, and touches nothing else.
type DockerEngine struct {
	// Host is its address, as DOCKER_HOST has it.
	Host string
	// private is nil for an engine that was there before.
	private *dockerd.Engine
}

// Private reports whether this test process started the engine, so that nobody else has anything in it.
func (e *DockerEngine) Private() bool { return e.private != nil }

// Listen listens on a loopback port that the engine reaches as 127.0.0.1: a private engine has a network of its own.
func (e *DockerEngine) Listen(t testing.TB) net.Listener {
	t.Helper()
	var l net.Listener
	listen := func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}
	err := listen
	if e.private != nil {
		err = func() error { return e.private.Do(listen) }
	}
	if err := err(); err != nil {
		t.Fatal(err)
	}
	return l
}

// shared is the engine of this test process.
//
//nolint:gochecknoglobals // one for all tests of the process: starting it takes a second
var shared struct {
	once   sync.Once
	engine *DockerEngine
	err    error
}

// mained says that [Main] runs the tests.
//
//nolint:gochecknoglobals // set once, before the first test
var mained atomic.Bool

// Engine returns the engine that answers at DOCKER_HOST or /var/run/docker.sock; where there is none, root gets a private
// one with its own directories and network, shared by the tests of this process and ended by [Main]. It does so only
// where [RequireEnv] names the gate, as `make test` does: a plain `go test ./...` is quick and starts nothing.
func Engine(t testing.TB) *DockerEngine {
	t.Helper()
	if !mained.Load() {
		t.Fatal("a package that calls testenv.Engine needs a TestMain that calls testenv.Main")
	}
	if !required(GateEngine) {
		t.Skipf("gate %s: only with %s=%s, or make test", GateEngine, RequireEnv, GateEngine)
	}
	shared.once.Do(func() { shared.engine, shared.err = findEngine() })
	if shared.err != nil {
		Closed(t, GateEngine, shared.err.Error())
	}
	return shared.engine
}

func findEngine() (*DockerEngine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if host, err := dockerd.Reachable(ctx); err == nil {
		return &DockerEngine{Host: host}, nil
	} else if os.Getenv("DOCKER_HOST") != "" {
		return nil, fmt.Errorf("DOCKER_HOST does not answer: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("needs a Docker Engine: none answers, and only root can start one")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		return nil, fmt.Errorf("needs a Docker Engine: none answers and none is installed: apt-get install docker.io")
	}
	private, err := dockerd.Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("start a private Docker Engine: %w", err)
	}
	return &DockerEngine{Host: private.Host(), private: private}, nil
}

func stopEngine() error {
	if shared.engine == nil || shared.engine.private == nil {
		return nil
	}
	return shared.engine.private.Stop()
}
