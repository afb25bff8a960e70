package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/session"
)

// errStopped is the cause of a launch that somebody ended.
var errStopped = errs.New(errs.Canceled, "ended by its user before it ran") //nolint:gochecknoglobals // a sentinel

// drive takes a session from where its record says it is to its end. It runs in a goroutine of its own, and returns
// early only when agentd stops.
func (s *Supervisor) drive(l *live) {
	defer close(l.done)
	for s.once(l) {
		if !s.again(l) {
			return
		}
	}
	if s.life.Err() == nil {
		s.clean(l)
	}
}

// once takes a session through one try, and reports whether another one is due.
func (s *Supervisor) once(l *live) (again bool) {
	rec := l.snapshot()
	if rec.Due() {
		return true
	}
	if !rec.Status.Final() && rec.Status != session.Terminating && !rec.Begun() {
		if err := s.bringUp(l); err != nil {
			s.failed(l, err)
		}
	}
	if s.life.Err() != nil {
		return false
	}
	if !l.snapshot().Status.Final() {
		s.watch(l)
	}
	rec = l.snapshot()
	return s.life.Err() == nil && rec.Due()
}

// Bounds of a launch whose engine does not answer: how often it is done again, and how long the engine is waited for.
const (
	launchTries = 3
	enginePause = 2 * time.Minute
)

// bringUp launches, and does it again if the engine was restarted meanwhile. A launch of an earlier life, and one whose
// engine fell silent, is taken up where it is.
func (s *Supervisor) bringUp(l *live) error {
	ctx, cancel := l.upContext(s.life)
	defer cancel(nil)
	for try := 1; ; try++ {
		if l.restored || try > 1 {
			begun, err := s.takeUp(ctx, l)
			if err != nil || begun {
				return err
			}
		}
		begin := s.o.Now()
		err := causeOf(ctx, s.launchOnce(ctx, l))
		if err == nil || ctx.Err() != nil || try == launchTries || !silent(err) || !s.engineFell(ctx, begin) {
			return err
		}
		s.hub.note(l.snapshot(), "waits for the Docker Engine: "+err.Error())
		if !s.awaitEngine(ctx) {
			return causeOf(ctx, err)
		}
	}
}

// engineFell tells an engine that did not answer from a registry that did not.
func (s *Supervisor) engineFell(ctx context.Context, since time.Time) bool {
	return s.o.Engine.SilentSince(since) || s.o.Engine.Ping(ctx) != nil
}

// awaitEngine waits until the engine answers, for a while, and reports whether it does.
func (s *Supervisor) awaitEngine(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, enginePause)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if s.o.Engine.Ping(ctx) == nil {
			return true
		}
		if !sleep(ctx, pause) {
			return false
		}
	}
}

// launchOnce fetches, waits for slots, creates and starts. A launch that had its slots before keeps them.
func (s *Supervisor) launchOnce(ctx context.Context, l *live) error {
	err := s.admission.awaitFetch(ctx, l.id, func(why string) { s.hub.note(l.snapshot(), why) })
	if err != nil {
		return err
	}
	if l.snapshot().Status == session.Pending {
		if err := s.pass(l, session.Preparing); err != nil {
			return err
		}
	}
	if err := launch.Up(ctx, l.attempt, launch.BeforeSlots()); err != nil {
		return err
	}
	if rec := l.snapshot(); !rec.HoldsSlots() {
		if err := s.waitForSlots(ctx, l); err != nil {
			return err
		}
	}
	return launch.Up(ctx, l.attempt, launch.AfterSlots())
}

func (s *Supervisor) waitForSlots(ctx context.Context, l *live) error {
	if l.snapshot().Status != session.Prepared {
		if err := s.pass(l, session.Prepared); err != nil {
			return err
		}
	}
	capacity, err := s.o.Capacity(ctx)
	if err != nil {
		return err
	}
	rec := l.snapshot()
	var saved error
	err = s.admission.acquire(ctx, l.id, capacity, func(why string) {
		// It may wait for long: what was fetched is remembered.
		saved = l.attempt.Commit(func(*session.Record) {})
		s.hub.note(rec, why)
	})
	if err := cmp.Or(err, saved); err != nil {
		return err
	}
	return s.pass(l, session.Creating)
}

// causeOf tells why ctx was cancelled, if that is why err.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// failed ends a session that did not come to run.
func (s *Supervisor) failed(l *live, err error) {
	if s.life.Err() != nil {
		// agentd stops: the next one goes on from the record.
		return
	}
	next, reason, message := session.Error, session.ReasonStep, err.Error()
	s.admission.release(l.id)
	if asked, _ := l.wanted(); asked {
		next, reason, message = session.Cancelled, session.ReasonUser, "ended before it ran"
	} else if errors.Is(err, errUnmet) {
		next, reason, message = session.Cancelled, session.ReasonDependency, s.unmet(l.snapshot())
	} else {
		l.attempt.Change(func(r *session.Record) { r.Failure = faultOf(err) })
	}
	if err := s.enter(l, next, reason, message); err != nil {
		s.o.Log.Error("end a launch that failed", "session", l.id, "error", err)
	}
}

// faultOf is what the record keeps of a failure.
func faultOf(err error) *session.Fault {
	f := &session.Fault{Code: string(errs.CodeOf(err)), Message: err.Error()}
	if step, ok := errors.AsType[*launch.StepError](err); ok {
		f.Step, f.Message = step.Step, step.Err.Error()
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		f.Hint = e.Hint
	}
	return f
}

// clean undoes what the launch made, however the session ended. What cannot be undone now, because the engine does not
// answer or a mount is busy, is tried again until it is; the record stays until then, and so do the slots: a container
// whose end nobody confirmed may be running.
func (s *Supervisor) clean(l *live) {
	if l.snapshot().Cleaned {
		s.admission.release(l.id)
		return
	}
	if !s.takeDown(l, func(r *session.Record) { r.Cleaned, r.Intent = true, "" }) {
		return
	}
	s.admission.release(l.id)
	rec := l.snapshot()
	s.hub.changed(rec)
	s.retention.add(rec)
}

// longPause bounds the pause between two tries to clean up.
const longPause = 30 * time.Second

// takeDown undoes what the launch made and puts that on record, however long it takes; false means that agentd stops.
func (s *Supervisor) takeDown(l *live, put func(*session.Record)) bool {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := launch.Down(s.life, l.attempt, launch.Steps())
		if err == nil {
			err = l.attempt.Commit(put)
		}
		if err == nil {
			return true
		}
		l.block(err)
		if s.life.Err() != nil {
			return false
		}
		s.o.Log.Error("clean up after a session; it will be tried again", "session", l.id, "in", pause, "error", err)
		if !sleep(s.life, pause) {
			return false
		}
	}
}

// outcomeMessage says in words how a container ended.
func outcomeMessage(e Exit) string {
	switch {
	case e.HostRestart:
		return "the machine was restarted"
	case e.EngineEnded:
		return fmt.Sprintf("the Docker Engine was restarted and ended it (exit code %d)", *e.Code)
	case e.Lost:
		return "the container is gone, and nobody saw how it ended"
	case e.OOM:
		return "a process was killed because the session was out of memory"
	case e.Code != nil:
		return fmt.Sprintf("exited with %d", *e.Code)
	}
	return "nobody saw how it ended"
}
