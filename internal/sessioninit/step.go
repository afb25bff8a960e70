package sessioninit

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sessionlog"
)

const (
	// exitTimedOut is the container's exit code if a step's limit ended it and it made that a 0.
	exitTimedOut = 124
	// promptPause is how long output without a line feed may wait for its end before the log shows it.
	promptPause = 200 * time.Millisecond
	// stepDrain is how long the next step waits for the output of the last, which something in the background may hold open.
	stepDrain = 100 * time.Millisecond
	// readBuffer is how much output is read at once; stdout and stderr frames are as large at most.
	readBuffer = 32 << 10
)

// running is the step that runs.
type running struct {
	*hub
	process *process
	stdio   *stdio
}

// steps runs them in order. decided is false if the session goes on: it is interactive, and no step that it cannot do
// without has failed.
func (in *initd) steps(j *job.Job) (code int, decided bool) {
	for _, s := range j.Steps {
		if closed(in.stopping) {
			return in.stopCode(), true
		}
		r := in.runStep(j, s)
		code = r.ExitCode
		if code == 0 && r.TimedOut {
			code = exitTimedOut
		}
		if code != 0 && (j.Batch || s.Name != job.Startup) {
			if closed(in.stopping) && !j.Batch {
				code = in.stopCode()
			}
			return code, true
		}
	}
	return code, j.Batch
}

// runStep runs one step to its end and writes both of its results.
func (in *initd) runStep(j *job.Job, s job.Step) job.Result {
	r := job.Result{Step: s.Name, Begin: time.Now().UTC()}
	reserved := in.began(r)
	cur, drained, err := in.startStep(j, s)
	if err != nil {
		r.ExitCode, r.Error = err.code, err.text
		in.say("step " + s.Name + ": " + err.text)
	} else {
		r.TimedOut = in.await(cur.process, s.Timeout)
		r.ExitCode, r.Signal = exitOf(cur.process.status)
		if r.TimedOut {
			in.say("step " + s.Name + ": its limit of " + s.Timeout.String() + " ended it")
		}
		in.mu.Lock()
		in.current = nil
		in.mu.Unlock()
		wait := time.NewTimer(stepDrain)
		select {
		case <-drained:
		case <-wait.C:
		}
		wait.Stop()
		cur.close(frame.Exit{Code: r.ExitCode, Signal: r.Signal})
	}
	end := time.Now().UTC()
	r.End = &end
	in.ended(r, reserved)
	return r
}

// startStep starts it and the readers of its output; drained is closed when they have read the end.
func (in *initd) startStep(j *job.Job, s job.Step) (cur *running, drained <-chan struct{}, failure *startError) {
	ends, err := newEnds(s.TTY, s.Stdin, frame.Size{Rows: 24, Cols: 80})
	if err != nil {
		return nil, nil, &startError{exitCannot, err.Error()}
	}
	p, failure := in.reaper.start(command{argv: s.Argv, env: j.Env, dir: j.Dir, stdio: ends.child, tty: s.TTY})
	ends.closeChild()
	if failure != nil {
		ends.close()
		return nil, nil, failure
	}
	cur = &running{hub: newHub(), process: p, stdio: ends}
	in.mu.Lock()
	in.current = cur
	in.changeLocked()
	in.mu.Unlock()
	end := make(chan struct{})
	in.pumps.Go(func() {
		defer close(end)
		in.pumpAll(s.Name, cur)
	})
	return cur, end, nil
}

// pumpAll reads a step's output to its end, which may be long after the step's.
func (in *initd) pumpAll(step string, cur *running) {
	defer cur.stdio.close()
	pump := func(f *os.File, s sessionlog.Stream, t frame.Type) {
		sink := &splitter{step: step, stream: s, put: in.log.put}
		pumpStream(f, sink, func(data []byte) { cur.send(t, data) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if cur.stdio.err != nil {
			pump(cur.stdio.err, sessionlog.Stderr, frame.TypeStderr)
		}
	}()
	pump(cur.stdio.out, sessionlog.Stdout, frame.TypeStdout)
	<-done
}

// pumpStream reads f to its end.
func pumpStream(f *os.File, sink *splitter, also func([]byte)) {
	buf := make([]byte, readBuffer)
	timed := false
	for {
		if waiting := len(sink.rest) > 0; waiting || timed {
			var deadline time.Time
			if waiting {
				deadline = time.Now().Add(promptPause)
			}
			f.SetReadDeadline(deadline) //nolint:errcheck // without one, a prompt comes later into the log
			timed = waiting
		}
		n, err := f.Read(buf)
		if n > 0 {
			sink.write(time.Now(), buf[:n])
			also(buf[:n])
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			sink.pause(time.Now())
		case err != nil: // io.EOF; EIO is a terminal's
			sink.pause(time.Now())
			return
		}
	}
}

// await waits for p, and ends it when its limit is over (0 is none): politely, then by force.
func (in *initd) await(p *process, limit time.Duration) (timedOut bool) {
	if limit == 0 {
		<-p.done
		return false
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-p.done:
		return false
	case <-t.C:
	}
	in.end(p, unix.SIGTERM, in.stopGrace())
	// What it left behind in its group: the number is not used again while there is somebody, and an empty group is ESRCH.
	unix.Kill(-p.pid, unix.SIGKILL) //nolint:errcheck // see above
	return true
}

// end signals p's group, and kills it if p is still there after the grace.
func (in *initd) end(p *process, polite unix.Signal, grace time.Duration) {
	in.reaper.signalGroup(p, polite)       //nolint:errcheck // it may have ended
	in.reaper.signalGroup(p, unix.SIGCONT) //nolint:errcheck // a stopped one could not hear it
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
		return
	case <-t.C:
	}
	in.reaper.signalGroup(p, unix.SIGKILL) //nolint:errcheck // it may have ended
	<-p.done
}

// changeLocked tells those who wait for a step.
func (in *initd) changeLocked() {
	close(in.changed)
	in.changed = make(chan struct{})
}

// awaitStep returns the running step. Before the first one and between two it waits; with no step to come it is an error.
func (in *initd) awaitStep() (*running, error) {
	for {
		in.mu.Lock()
		cur, state, changed := in.current, in.stateLocked(), in.changed
		in.mu.Unlock()
		if cur != nil {
			return cur, nil
		}
		if state != frame.StateRunning {
			return nil, errs.New(errs.Conflict, "no step runs: the session is %s", state).
				WithHint("ctl session shell opens a shell in it, ctl session logs has what the steps printed")
		}
		select {
		case <-changed:
		case <-in.over:
		}
		if closed(in.over) {
			return nil, errs.New(errs.Conflict, "no step runs: the session has ended")
		}
	}
}

// signalStep signals the running step's group, if there is one.
func (in *initd) signalStep(s unix.Signal) error {
	in.mu.Lock()
	cur := in.current
	in.mu.Unlock()
	if cur == nil {
		return errs.New(errs.Conflict, "no step runs")
	}
	if err := in.reaper.signalGroup(cur.process, s); err != nil {
		return errs.New(errs.Conflict, "step: %w", err)
	}
	return nil
}
