package dockerd

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// EndDaemon ends dockerd alone: politely, as a restart by the service manager begins, or without warning. Its containerd
// lives on, as it does on a machine.
func (e *Engine) EndDaemon(politely bool) error {
	if politely {
		return e.dockerd.stop(time.Minute)
	}
	if err := e.dockerd.cmd.Process.Kill(); err != nil {
		return err
	}
	<-e.dockerd.done
	return nil
}

// StartDaemon starts dockerd again, and returns when it answers.
func (e *Engine) StartDaemon(ctx context.Context) error {
	// One that was killed leaves its pid, and refuses to start if somebody else has it by now.
	if err := os.Remove(e.path("docker.pid")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return e.startDockerd(ctx)
}

// Pause stops dockerd as a hang would, and lets it go on with false.
func (e *Engine) Pause(paused bool) error {
	if paused {
		return e.dockerd.cmd.Process.Signal(syscall.SIGSTOP)
	}
	return e.dockerd.cmd.Process.Signal(syscall.SIGCONT)
}

// LiveRestore says whether containers outlive dockerd; it is in force from its next start on.
func (e *Engine) LiveRestore(on bool) error {
	return os.WriteFile(e.path("daemon.json"), fmt.Appendf(nil, "{\"live-restore\": %v}\n", on), 0o600)
}

// LoseContainers ends containerd and all that runs beneath it without warning, so that nobody sees how it ends, and
// starts containerd again: what a power failure does to an engine. End dockerd before.
func (e *Engine) LoseContainers(ctx context.Context) error {
	if err := e.containerd.cmd.Process.Kill(); err != nil {
		return err
	}
	<-e.containerd.done
	killAll(e.dir)
	return e.startContainerd(ctx)
}
