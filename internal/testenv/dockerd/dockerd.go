// Package dockerd is a private Docker Engine for tests: its own containerd, directories, socket and network namespace, so
// that nothing of the machine's is touched, and an end that leaves nothing behind.
package dockerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// dirPrefix begins the names of the directories of private engines, in the system's directory for temporary files.
const dirPrefix = "agentd-engine-"

// Engine is a running private engine.
type Engine struct {
	dir    string
	lock   *os.File
	netns  *os.File
	before traces

	containerd, dockerd *child
}

// Start sweeps away what killed test runs have left, and starts an engine; it needs root, dockerd and containerd. The
// engine gets SIGTERM from the kernel if this process dies without Stop.
func Start(ctx context.Context) (*Engine, error) {
	if err := Sweep(); err != nil {
		return nil, err
	}
	dir, lock, err := lockedDir()
	if err != nil {
		return nil, err
	}
	e := &Engine{dir: dir, lock: lock, before: lookForTraces()}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// lockedDir makes an engine's directory. It has its name only once it is locked: a sweep at that very moment would take it for
// one whose owner is gone.
func lockedDir() (string, *os.File, error) {
	fresh, err := os.MkdirTemp("", "new-"+dirPrefix)
	if err != nil {
		return "", nil, err
	}
	lock, err := takeLock(fresh)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Join(filepath.Dir(fresh), strings.TrimPrefix(filepath.Base(fresh), "new-"))
	return dir, lock, os.Rename(fresh, dir)
}

func (e *Engine) start(ctx context.Context) (err error) {
	// Ordinary users of the tests must reach the socket.
	if err := os.Chmod(e.dir, 0o711); err != nil {
		return err
	}
	if e.netns, err = newNetNS(); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if err := e.writeConfigs(); err != nil {
		return err
	}
	if err := e.startContainerd(ctx); err != nil {
		return err
	}
	return e.startDockerd(ctx)
}

func (e *Engine) startContainerd(ctx context.Context) (err error) {
	e.containerd, err = e.spawn("containerd", "--config", e.path("containerd.toml"))
	if err != nil {
		return err
	}
	return e.containerd.until(ctx, func() error { return dialable(ctx, e.path("containerd.sock")) })
}

func (e *Engine) startDockerd(ctx context.Context) (err error) {
	e.dockerd, err = e.spawn("dockerd", "--config-file", e.path("daemon.json"),
		"--host", e.Host(), "--containerd", e.path("containerd.sock"), "--pidfile", e.path("docker.pid"),
		"--data-root", e.path("data"), "--exec-root", e.path("exec"),
		// Each agentd of a test has a bridge of its own; the engine's own choice is 30 networks.
		"--default-address-pool", "base=10.128.0.0/10,size=24",
		"--shutdown-timeout", "2", "--log-level", "warn")
	if err != nil {
		return err
	}
	return e.dockerd.until(ctx, func() error { return ping(ctx, e.Host()) })
}

// writeConfigs keeps the machine's own configuration of both programs out of it.
func (e *Engine) writeConfigs() error {
	toml := fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = %q
[plugins."io.containerd.internal.v1.opt"]
  path = %q
`, e.path("containerd"), e.path("containerd-state"), e.path("containerd.sock"), e.path("opt"))
	if err := os.WriteFile(e.path("containerd.toml"), []byte(toml), 0o600); err != nil {
		return err
	}
	return os.WriteFile(e.path("daemon.json"), []byte("{}\n"), 0o600)
}

func (e *Engine) path(name string) string { return filepath.Join(e.dir, name) }

// Host is the engine's address, as DOCKER_HOST has it.
func (e *Engine) Host() string { return "unix://" + e.path("docker.sock") }

// Stop ends the engine, all its containers, mounts and files. It may be called after a Start that failed half-way.
func (e *Engine) Stop() error {
	var errs []error
	// The engine would ask each container politely first, and wait; nobody needs their last words.
	killContainers(e.dir)
	// In this order: dockerd tidies up by containerd.
	if err := e.dockerd.stop(30 * time.Second); err != nil {
		errs = append(errs, err)
	}
	if err := e.containerd.stop(10 * time.Second); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, clear(e.dir), e.before.restore())
	for _, f := range []*os.File{e.netns, e.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// spawn starts a program in the engine's network, logging to a file of its directory.
func (e *Engine) spawn(name string, args ...string) (*child, error) {
	log, err := os.Create(e.path(name + ".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Ctrl-C is for the tests; the engine ends after them.
		Setpgid: true,
		// If this process is killed, nobody calls Stop.
		Pdeathsig: syscall.SIGTERM,
	}
	return startIn(e.netns, cmd)
}
