package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"agentd/internal/job"
	"agentd/internal/session"
)

// forceAfter is how long agentd-init may take beyond its own grace before the engine is told to kill.
const forceAfter = 5 * time.Second

// watch follows a session whose container exists until it has ended.
func (s *Supervisor) watch(l *live) {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	rec := l.snapshot()
	w := watching{s: s, l: l, steps: make(chan StepResult, 4), exit: make(chan Exit, 1), seen: map[seenStep]bool{}}
	s.wg.Go(func() { w.follow(ctx, rec) })
	s.wg.Go(func() { w.await(ctx, rec) })
	w.loop(ctx)
}

// watching is one watch: what it hears of, and what it has seen.
type watching struct {
	s     *Supervisor
	l     *live
	steps chan StepResult
	exit  chan Exit
	// bootstrap is the result of a bootstrap that failed; timedOut is set when a limit ended the session.
	bootstrap *StepResult
	timedOut  bool
	// seen are the results taken in already, by step and whether it had ended.
	seen map[seenStep]bool
	// force goes off when the time for a polite end is over.
	force *time.Timer
}

type seenStep struct {
	step  string
	ended bool
}

func (w *watching) follow(ctx context.Context, rec session.Record) {
	err := w.s.o.Watcher.Steps(ctx, rec, func(r StepResult) {
		select {
		case w.steps <- r:
		case <-ctx.Done():
		}
	})
	if err != nil && ctx.Err() == nil {
		w.s.o.Log.Error("watch a session's steps", "session", rec.ID, "error", err)
	}
}

func (w *watching) await(ctx context.Context, rec session.Record) {
	e, err := w.s.o.Watcher.Wait(ctx, rec)
	if err != nil {
		if ctx.Err() == nil {
			w.s.o.Log.Error("wait for a session's container", "session", rec.ID, "error", err)
		}
		return
	}
	w.exit <- e
}

// loop goes on until the container has ended.
func (w *watching) loop(ctx context.Context) {
	force := time.NewTimer(forever)
	defer force.Stop()
	w.force = force
	if asked, _ := w.l.wanted(); asked {
		w.signal(ctx, force)
	}
	if w.wasOutOfTime() {
		w.outOfTime(ctx, force)
	}
	w.begin()
	limit := time.NewTimer(w.remaining())
	defer limit.Stop()
	for {
		select {
		case <-limit.C:
			w.outOfTime(ctx, force)
		case <-ctx.Done():
			return
		case r := <-w.steps:
			w.step(r)
		case <-w.l.stop:
			w.signal(ctx, force)
		case <-force.C:
			w.kill(ctx)
		case e := <-w.exit:
			// What was written just before the end may not have been told yet.
			for _, r := range e.Steps {
				w.step(r)
			}
			w.ended(e)
			return
		}
	}
}

// remaining is what is left of an interactive session's time; a batch session's is kept by agentd-init, which knows when
// the startup began.
func (w *watching) remaining() time.Duration {
	rec := w.l.snapshot()
	limit := rec.Plan.Steps.Timeout
	if rec.Plan.Type != session.Interactive || limit == 0 {
		return forever
	}
	// What it waited for its slots is not its own time.
	return limit - w.s.o.Now().Sub(begun(rec, rec.Created))
}

// forever outlives every session.
const forever = 100 * 365 * 24 * time.Hour

// outOfTime ends a session whose time is up.
func (w *watching) outOfTime(ctx context.Context, force *time.Timer) {
	w.timedOut = true
	w.end(ctx, force, session.ReasonTimeout, "its time is up")
}

// wasOutOfTime reports whether its time was up in an earlier life of agentd already.
func (w *watching) wasOutOfTime() bool {
	rec := w.l.snapshot()
	last := rec.History[len(rec.History)-1]
	return last.Status == session.Terminating && last.Reason == session.ReasonTimeout
}

// begin enters RUNNING at once if nothing comes before it.
func (w *watching) begin() {
	rec := w.l.snapshot()
	if rec.Status == session.Creating && rec.Plan.Type == session.Interactive && rec.Plan.Steps.Bootstrap == "" {
		w.running()
	}
}

func (w *watching) running() {
	if w.l.snapshot().Status != session.Creating {
		return
	}
	now := w.s.o.Now().UTC()
	w.l.attempt.Change(func(r *session.Record) { r.Started = &now })
	if err := w.s.enter(w.l, session.Running, "", ""); err != nil {
		w.s.o.Log.Error("record that a session runs", "session", w.l.id, "error", err)
	}
}

// step takes in what a step of the session has done.
func (w *watching) step(r StepResult) {
	key := seenStep{r.Step, r.Ended}
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	w.s.hub.step(w.l.snapshot(), r)
	rec := w.l.snapshot()
	known := func(t session.Timing) bool { return t.Step == r.Step && t.Begin.Equal(r.Begin) }
	if r.Ended && !slices.ContainsFunc(rec.Timings, known) {
		w.l.attempt.Change(func(rec *session.Record) {
			rec.Timings = append(rec.Timings, session.Timing{Step: r.Step, Begin: r.Begin, Took: r.End.Sub(r.Begin)})
		})
	}
	failed := r.Ended && (r.ExitCode != 0 || r.Error != "")
	switch {
	case r.Step == job.Bootstrap && failed:
		w.bootstrap = &r
	case r.Step == job.Bootstrap && r.Ended && rec.Plan.Type == session.Interactive, r.Step == job.Startup && !r.Ended:
		w.running()
	}
	if r.Step == job.Startup && r.TimedOut {
		w.timedOut = true
	}
}

// signal asks the container to end as it was asked for.
func (w *watching) signal(ctx context.Context, force *time.Timer) {
	w.end(ctx, force, session.ReasonUser, "asked to end")
}

// end begins the end of a session: politely, unless force was asked for, and by force when the grace is over.
func (w *watching) end(ctx context.Context, force *time.Timer, reason, message string) {
	rec := w.l.snapshot()
	_, forced := w.l.wanted()
	if rec.Status == session.Running || rec.Status == session.Creating {
		if err := w.s.enter(w.l, session.Terminating, reason, message); err != nil {
			w.s.o.Log.Error("record that a session is to end", "session", w.l.id, "error", err)
		}
	}
	if err := w.s.o.Watcher.Signal(ctx, rec, forced); err != nil {
		w.s.o.Log.Warn("ask a session to end", "session", w.l.id, "error", err)
	}
	force.Reset(rec.Plan.Steps.StopGrace + forceAfter)
}

// kill ends it by force, again and again until it has ended: the engine may not have heard.
func (w *watching) kill(ctx context.Context) {
	if err := w.s.o.Watcher.Signal(ctx, w.l.snapshot(), true); err != nil {
		w.s.o.Log.Warn("end a session by force", "session", w.l.id, "error", err)
	}
	w.force.Reset(forceAfter)
}

// ended says how it ended.
func (w *watching) ended(e Exit) {
	rec := w.l.snapshot()
	asked, _ := w.l.wanted()
	if rec.Due() && !asked {
		return
	}
	v := judge(rec, e, asked, w.timedOut)
	if w.bootstrap == nil && !asked && w.s.tryAgain(w.l, v, e) {
		return
	}
	w.l.attempt.Change(func(r *session.Record) {
		r.ExitCode, r.Result = e.Code, v.result
		if at := e.At.UTC(); !e.At.IsZero() {
			r.Ended = &at
		}
	})
	if w.bootstrap != nil && rec.Status == session.Creating {
		w.bootstrapFailed(*w.bootstrap, e.OOM)
		return
	}
	if rec.Status == session.Creating || rec.Status == session.Running {
		if err := w.s.enter(w.l, session.Terminating, v.reason, v.message); err != nil {
			w.s.o.Log.Error("record that a session ends", "session", w.l.id, "error", err)
		}
	}
	if err := w.s.enter(w.l, session.Terminated, v.reason, v.message); err != nil {
		w.s.o.Log.Error("record that a session has ended", "session", w.l.id, "error", err)
	}
}

func (w *watching) bootstrapFailed(r StepResult, oom bool) {
	message := fmt.Sprintf("the bootstrap exited with %d", r.ExitCode)
	hint := "ctl session logs " + w.l.id + " shows all of its output"
	switch {
	case oom:
		message += ": the session was out of memory"
		hint = "give it more: --resources mem=SIZE"
	case r.TimedOut:
		message = "the bootstrap took longer than " + w.l.snapshot().Plan.Steps.BootstrapTimeout.String()
	case r.Error != "":
		message = "the bootstrap could not be run: " + r.Error
	}
	w.l.attempt.Change(func(rec *session.Record) {
		rec.Result = session.Failure
		code := r.ExitCode
		rec.ExitCode = &code
		rec.Failure = &session.Fault{
			Step: job.Bootstrap, Code: "bootstrap_failed", Message: message, Tail: r.Tail,
			Hint: hint,
		}
	})
	if err := w.s.enter(w.l, session.Error, session.ReasonStep, message); err != nil {
		w.s.o.Log.Error("record that a bootstrap failed", "session", w.l.id, "error", err)
	}
}
