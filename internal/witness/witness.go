// Package witness sees how a session's steps and its container begin and end, from agentd-init's results and the engine.
package witness

import (
	"context"
	"os"
	"time"

	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/job"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/sessionlog"
	"agentd/internal/supervisor"
)

// Claim is what others than the engine say of a container's end.
type Claim struct {
	// Ended is true if agentd-init wrote down the end of its last step, with Code.
	Ended bool
	Code  int
}

// Ending is the engine's verdict on a container that runs no more.
type Ending struct {
	// Code is nil if it is not known.
	Code                   *int
	OOM, Lost, HostRestart bool
	// EngineEnded is true if it ended because the engine was stopped or started.
	EngineEnded bool
	At          time.Time
}

// containers is the engine's part.
type containers interface {
	// Wait returns when the container has ended, however long that takes and whatever becomes of the engine meanwhile.
	// boot is that of the machine in which it was started, if that is known. The claim is asked for after the end, and can
	// confirm what the engine says.
	Wait(ctx context.Context, id, boot string, claim func() Claim) (Ending, error)
	// Signal sends a signal to its first process; one that runs no more is no error.
	Signal(ctx context.Context, id, signal string) error
}

// Witness is safe for concurrent use.
type Witness struct {
	containers containers
	place      func(rec session.Record) layout.Session
}

// New returns a witness; place says where a session's directory is.
func New(c containers, place func(session.Record) layout.Session) *Witness {
	return &Witness{containers: c, place: place}
}

// Wait returns how the container ended, and what all its steps came to.
func (w *Witness) Wait(ctx context.Context, rec session.Record) (supervisor.Exit, error) {
	end, err := w.containers.Wait(ctx, rec.Staged.ContainerID, rec.Staged.BootID, func() Claim { return w.claim(ctx, rec) })
	if err != nil {
		return supervisor.Exit{}, err
	}
	return supervisor.Exit{
		Code: end.Code, OOM: end.OOM, Lost: end.Lost, HostRestart: end.HostRestart, EngineEnded: end.EngineEnded, At: end.At,
		Steps: w.results(ctx, rec),
	}, nil
}

// Signal asks politely, by the signal that agentd-init passes on to all it runs, or at once.
func (w *Witness) Signal(ctx context.Context, rec session.Record, force bool) error {
	signal := "SIGTERM"
	if force {
		signal = "SIGKILL"
	}
	return w.containers.Signal(ctx, rec.Staged.ContainerID, signal)
}

// claim is the end of the step that decides the container's exit code.
func (w *Witness) claim(ctx context.Context, rec session.Record) Claim {
	all := w.results(ctx, rec)
	if len(all) == 0 {
		return Claim{}
	}
	last := all[len(all)-1]
	decides := rec.Plan.Type == session.Batch && last.Step == job.Startup || last.ExitCode != 0
	return Claim{Ended: last.Ended && decides, Code: last.ExitCode}
}

// results reads what is written by now, in the order of the steps. The files are the session's own claim: what is not
// readable is left out.
func (w *Witness) results(ctx context.Context, rec session.Record) []supervisor.StepResult {
	dir, err := beneath.Dir(w.place(rec).Run())
	if err != nil {
		return nil
	}
	defer dir.Close() //nolint:errcheck // it was only looked into
	var list []supervisor.StepResult
	for _, step := range []string{job.Bootstrap, job.Startup} {
		for _, name := range []string{job.BeginName(step), job.EndName(step)} {
			if r, err := job.ReadResult(dir, name); err == nil && r.Step == step {
				list = append(list, stepResult(ctx, dir, r))
			}
		}
	}
	return list
}

// stepResult adds the end of the output to a step that failed.
func stepResult(ctx context.Context, dir *os.File, r job.Result) supervisor.StepResult {
	s := supervisor.StepResult{
		Step: r.Step, Begin: r.Begin, Ended: r.End != nil, ExitCode: r.ExitCode, TimedOut: r.TimedOut, Error: r.Error,
	}
	if r.End != nil {
		s.End = *r.End
	}
	if s.Ended && (s.ExitCode != 0 || s.Error != "") {
		s.Tail = tail(ctx, dir, r.Step)
	}
	return s
}

// tailLines and tailBytes bound the output that is kept with a failure.
const (
	tailLines = 20
	tailBytes = 4 << 10
)

// tail is the last lines of a step's output, as far as they can be read.
func tail(ctx context.Context, dir *os.File, step string) string {
	var lines []byte
	o := sessionlog.Options{Name: job.LogName, Tail: tailLines, MaxBytes: 1 << 20}
	err := sessionlog.Read(ctx, dir, o, func(l sessionlog.Line) error {
		if l.Step == step && l.Stream != sessionlog.Init {
			lines = append(append(lines, l.Text...), '\n')
		}
		return nil
	})
	if err != nil {
		return ""
	}
	if over := len(lines) - tailBytes; over > 0 {
		lines = lines[over:]
	}
	return string(lines)
}

// Steps tells each result once, as soon as it is written, until ctx ends. It needs no polling: agentd-init renames a
// result to its name when it is whole, and the kernel tells of renames.
func (w *Witness) Steps(ctx context.Context, rec session.Record, tell func(supervisor.StepResult)) error {
	watch, err := watchRenames(w.place(rec).Run())
	if err != nil {
		return errs.New(errs.Internal, "watch the results of session %s: %w", rec.ID, err)
	}
	stop := context.AfterFunc(ctx, watch.close)
	defer stop()
	defer watch.close()
	told := map[string]bool{}
	for {
		// What was written before the watch, or between two looks, is seen by looking after each event.
		for _, r := range w.results(ctx, rec) {
			key := r.Step
			if r.Ended {
				key += "!"
			}
			if !told[key] {
				told[key] = true
				tell(r)
			}
		}
		if err := watch.next(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return errs.New(errs.Internal, "watch the results of session %s: %w", rec.ID, err)
		}
	}
}
