// Package daemon starts and ends an agentd that keeps all its files in one directory, for the demo and the benchmarks.
package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// ConfigName is the name of the configuration in the directory; State that of the state directory.
const (
	ConfigName = "agentd.yaml"
	State      = "state"
)

// Daemon is one agentd; it can be started and ended many times.
type Daemon struct {
	program, dir string
	cmd          *exec.Cmd
	done         chan error
}

// New writes a configuration into dir, whose name must be short: a socket's path ends at 107 bytes.
func New(program, dir string) (*Daemon, error) {
	return NewWith(program, dir, fmt.Sprintf("socket: {mode: \"0600\", group: \"%d\"}\n", os.Getgid()))
}

// NewWith is [New] with a configuration of the caller's own, beside the two directories.
func NewWith(program, dir, config string) (*Daemon, error) {
	d := &Daemon{program: program, dir: dir}
	text := fmt.Sprintf("state_dir: %s\nruntime_dir: %s\n%s", filepath.Join(dir, State), filepath.Dir(d.Socket()), config)
	return d, os.WriteFile(filepath.Join(dir, ConfigName), []byte(text), 0o600)
}

// Socket is the path of the API's socket.
func (d *Daemon) Socket() string { return filepath.Join(d.dir, "run", "agentd.sock") }

// Running reports whether it was started and not ended since.
func (d *Daemon) Running() bool { return d.cmd != nil }

// PID is that of the running agentd.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Start starts agentd with the environment and returns when somebody can connect.
func (d *Daemon) Start(env []string) error {
	log, err := os.OpenFile(d.logName(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // agentd has its own descriptor
	cmd := exec.Command(d.program, "--config", ConfigName)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.dir, env, log, log
	// Ctrl-C ends the caller, and the caller ends agentd; if the caller dies, the kernel does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, done := make(chan error), make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started agentd ends, so that thread waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	d.cmd, d.done = cmd, done
	return d.untilItAnswers()
}

func (d *Daemon) untilItAnswers() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(30 * time.Second)
	for {
		conn, err := net.Dial("unix", d.Socket())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case end := <-d.done:
			d.cmd = nil
			return fmt.Errorf("agentd ended: %w\n%s", end, d.logText())
		case <-timeout:
			return fmt.Errorf("agentd does not answer: %w\n%s", err, d.logText())
		}
	}
}

func (d *Daemon) logName() string { return filepath.Join(d.dir, "agentd.log") }

func (d *Daemon) logText() string {
	text, err := os.ReadFile(d.logName())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Kill ends agentd without warning.
func (d *Daemon) Kill() error {
	if d.cmd == nil {
		return nil
	}
	if err := d.cmd.Process.Kill(); err != nil {
		return err
	}
	<-d.done
	d.cmd = nil
	return nil
}

// Stop asks agentd to end; an agentd that is not running is stopped.
func (d *Daemon) Stop() error {
	if d.cmd == nil {
		return nil
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-d.done:
		d.cmd = nil
		if err != nil {
			return fmt.Errorf("agentd was asked to end, and did so with: %w\n%s", err, d.logText())
		}
		return nil
	case <-time.After(15 * time.Second):
		return errors.Join(fmt.Errorf("agentd does not end\n%s", d.logText()), d.Kill())
	}
}
