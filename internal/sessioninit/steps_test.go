package sessioninit_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
)

func batch(steps ...job.Step) *job.Job {
	return &job.Job{Batch: true, Steps: steps, StopGrace: 5 * time.Second}
}

func interactive(steps ...job.Step) *job.Job {
	return &job.Job{Steps: steps, StopGrace: 5 * time.Second}
}

func TestBatch_ExitsWithTheCodeOfItsStartup(t *testing.T) {
	c := newContainer(t, batch(
		sh(job.Bootstrap, "echo made > made; echo from bootstrap"),
		sh(job.Startup, "cat made; echo bad >&2; printf unfinished; exit 42"),
	))
	if got := c.wait(); got != 42 {
		t.Errorf("exit code %d, want 42; log:\n%s", got, c.logText())
	}
	if got, want := c.log(job.Startup, sessionlog.Stdout), "made\nunfinished"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got, want := c.log(job.Startup, sessionlog.Stderr), "bad\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
	r := c.result(job.EndName(job.Startup))
	if r.ExitCode != 42 || r.End == nil || r.End.Before(r.Begin) || r.Error != "" {
		t.Errorf("result %+v", r)
	}
	if _, err := os.Stat(filepath.Join(c.session, job.FileName)); !os.IsNotExist(err) {
		t.Errorf("job file: %v, want it removed", err)
	}
	if _, err := os.Stat(filepath.Join(c.session, job.SocketName)); !os.IsNotExist(err) {
		t.Errorf("socket: %v, want it removed", err)
	}
}

func TestSteps_FailedBootstrapEndsTheJob(t *testing.T) {
	for name, j := range map[string]*job.Job{
		"batch":       batch(sh(job.Bootstrap, "exit 7"), sh(job.Startup, "touch ran")),
		"interactive": interactive(sh(job.Bootstrap, "exit 7"), sh(job.Startup, "touch ran")),
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, j)
			if got := c.wait(); got != 7 {
				t.Errorf("exit code %d, want 7", got)
			}
			if _, err := os.Stat(filepath.Join(c.root, job.HomeDir, "ran")); err == nil {
				t.Error("startup ran")
			}
			if _, err := job.ReadResult(c.dir, job.BeginName(job.Startup)); err == nil {
				t.Error("startup has a begin")
			}
		})
	}
}

func TestInteractive_GoesOnWhenItsStartupHasEnded(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup, "exit 3")))
	c.awaitState(frame.StateIdle)
	if r := c.result(job.EndName(job.Startup)); r.ExitCode != 3 {
		t.Errorf("result %+v", r)
	}
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 128+15 {
		t.Errorf("exit code %d, want 143", got)
	}
}

func TestSteps_WhatCannotStartSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name string
		argv []string
		dir  string
		code int
		text string
	}{
		{"not in PATH", []string{"no-such-program"}, "", 127, "in no directory of PATH"},
		{"no such file", []string{"/no/such"}, "", 127, "does not exist"},
		{"a directory", []string{"/home"}, "", 126, "permission denied"},
		{"no interpreter", []string{"/home/work/script"}, "", 127, "interpreter"},
		{"no program", []string{"/home/work/text"}, "", 126, "no program for this machine"},
		{"no directory", []string{"/bin/true"}, "/nowhere", 126, "working directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := batch(
				sh(job.Bootstrap, "printf '#!/no/interpreter\n' >script; echo text >text; chmod 755 script text"),
				job.Step{Name: job.Startup, Argv: tc.argv})
			if tc.dir != "" {
				j.Dir, j.Steps = tc.dir, j.Steps[1:]
			}
			c := newContainer(t, j)
			if got := c.wait(); got != tc.code {
				t.Errorf("exit code %d, want %d", got, tc.code)
			}
			r := c.result(job.EndName(job.Startup))
			if r.ExitCode != tc.code || !strings.Contains(r.Error, tc.text) {
				t.Errorf("result %+v, want an error with %q", r, tc.text)
			}
		})
	}
}

func TestStep_LimitEndsItsWholeGroup(t *testing.T) {
	step := sh(job.Startup, "trap 'echo polite' TERM; (trap '' TERM; sleep 100) & echo begun; while :; do sleep 100; done")
	step.Timeout = 300 * time.Millisecond
	j := batch(step)
	j.StopGrace = 300 * time.Millisecond
	c := newContainer(t, j)
	if got := c.wait(); got != 137 {
		t.Errorf("exit code %d, want 137", got)
	}
	r := c.result(job.EndName(job.Startup))
	if !r.TimedOut || r.Signal != "SIGKILL" {
		t.Errorf("result %+v, want timed out by SIGKILL", r)
	}
	if got := c.log(job.Startup, sessionlog.Stdout); got != "begun\npolite\n" {
		t.Errorf("stdout %q", got)
	}
}

func TestStep_LimitThatIsTakenWithZeroIsStillAFailure(t *testing.T) {
	step := sh(job.Startup, "trap 'exit 0' TERM; while :; do sleep 0.01; done")
	step.Timeout = 300 * time.Millisecond
	c := newContainer(t, batch(step))
	if got := c.wait(); got != 124 {
		t.Errorf("exit code %d, want 124", got)
	}
	if r := c.result(job.EndName(job.Startup)); !r.TimedOut || r.ExitCode != 0 {
		t.Errorf("result %+v", r)
	}
}

func TestStop_EverythingIsAskedFirst(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup,
		// In a group of its own, too: nohup and setsid are for terminals, not for the end of the session.
		"trap 'echo startup; exit 0' TERM; "+
			"setsid sh -c 'trap \"echo daemon; exit\" TERM; touch ready; while :; do sleep 0.01; done' & "+
			"while :; do sleep 0.01; done")))
	c.awaitFile("ready")
	c.signal(unix.SIGINT)
	if got := c.wait(); got != 128+2 {
		t.Errorf("exit code %d, want 130", got)
	}
	got := c.log(job.Startup, sessionlog.Stdout)
	if !strings.Contains(got, "daemon") || !strings.Contains(got, "startup") {
		t.Errorf("stdout %q, want both asked", got)
	}
}

func TestStop_BatchKeepsTheCodeOfItsStartup(t *testing.T) {
	c := newContainer(t, batch(sh(job.Startup, "trap 'exit 9' TERM; touch ready; while :; do sleep 0.01; done")))
	c.awaitFile("ready")
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 9 {
		t.Errorf("exit code %d, want 9", got)
	}
}

func TestStop_SecondSignalForces(t *testing.T) {
	j := batch(sh(job.Startup, "trap 'touch asked' TERM; touch ready; while :; do sleep 0.01; done"))
	j.StopGrace = time.Hour
	c := newContainer(t, j)
	c.awaitFile("ready")
	c.signal(unix.SIGTERM)
	c.awaitFile("asked")
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 137 {
		t.Errorf("exit code %d, want 137", got)
	}
}

func TestStop_GraceEndsByForce(t *testing.T) {
	j := batch(sh(job.Startup, "trap '' TERM; touch ready; while :; do sleep 0.01; done"))
	j.StopGrace = 100 * time.Millisecond
	c := newContainer(t, j)
	c.awaitFile("ready")
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 137 {
		t.Errorf("exit code %d, want 137", got)
	}
}

func TestStop_DuringBootstrapBeginsNothingMore(t *testing.T) {
	c := newContainer(t, batch(
		sh(job.Bootstrap, "trap 'exit 0' TERM; touch ready; while :; do sleep 0.01; done"),
		sh(job.Startup, "touch ran")))
	c.awaitFile("ready")
	c.signal(unix.SIGTERM)
	if got := c.wait(); got != 143 {
		t.Errorf("exit code %d, want 143", got)
	}
	if _, err := os.Stat(filepath.Join(c.root, job.HomeDir, "ran")); err == nil {
		t.Error("startup ran")
	}
}

func TestSignals_NoneKillsInit(t *testing.T) {
	c := newContainer(t, interactive(sh(job.Startup,
		"trap 'echo usr1' USR1; touch ready; while :; do sleep 0.01; done")))
	c.awaitFile("ready")
	// From inside, where the session's code can send them, and from outside, as agentd and the engine do.
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGTERM, unix.SIGINT, unix.SIGKILL, unix.SIGSTOP:
			continue
		}
		if _, exit := c.run("kill -" + strconv.Itoa(int(s)) + " 1"); exit.Code != 0 {
			t.Fatalf("kill -%d 1: %+v", s, exit)
		}
		if s != unix.SIGUSR1 && s != unix.SIGQUIT && s != unix.SIGHUP && s != unix.SIGSEGV {
			continue
		}
		c.signal(s)
	}
	if _, exit := c.run("kill -9 1; kill -STOP 1; true"); exit.Code != 0 {
		t.Fatalf("after the signals: %+v", exit)
	}
	var s frame.Status
	if err := c.do(frame.Request{Op: frame.OpPing}, &s); err != nil {
		t.Fatal(err)
	}
}
