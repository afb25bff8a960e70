package supervisor

import (
	"context"
	"errors"
	"fmt"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// errStopped is the cause of a launch that somebody ended.
var errStopped = errs.New(errs.Canceled, "ended by its user before it ran") //nolint:gochecknoglobals // a sentinel

// drive takes a session from where its record says it is to its end. It runs in a goroutine of its own, and returns
// early only when agentd stops.
func (s *Supervisor) drive(l *live) {
	defer close(l.done)
	rec := l.snapshot()
	if !rec.Status.Final() && rec.Status != session.Terminating && rec.Staged.ContainerID == "" {
		if err := s.bringUp(l); err != nil {
			s.failed(l, err)
		}
	}
	if s.life.Err() != nil {
		return
	}
	if !l.snapshot().Status.Final() {
		s.watch(l)
	}
	if s.life.Err() != nil {
		return
	}
	s.clean(l)
}

// bringUp launches: fetch, wait for slots, create, start.
func (s *Supervisor) bringUp(l *live) error {
	ctx, cancel := l.upContext(s.life)
	defer cancel(nil)
	if l.snapshot().Status == session.Pending {
		if err := s.enter(l, session.Preparing, "", ""); err != nil {
			return err
		}
	}
	if err := launch.Up(ctx, l.attempt, launch.BeforeSlots()); err != nil {
		return causeOf(ctx, err)
	}
	if l.snapshot().Status != session.Prepared {
		if err := s.enter(l, session.Prepared, "", ""); err != nil {
			return err
		}
	}
	capacity, err := s.o.Capacity(ctx)
	if err != nil {
		return causeOf(ctx, err)
	}
	s.ledger.resize(capacity)
	rec := l.snapshot()
	err = s.ledger.acquire(ctx, l.id, plan.Demand(rec.Plan.Limits), func(why string) { s.hub.note(rec, why) })
	if err != nil {
		return err
	}
	if err := s.enter(l, session.Creating, "", ""); err != nil {
		return err
	}
	return causeOf(ctx, launch.Up(ctx, l.attempt, launch.AfterSlots()))
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
	if asked, _ := l.wanted(); asked {
		next, reason, message = session.Cancelled, session.ReasonUser, "ended before it ran"
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

// clean undoes what the launch made, however the session ended. What cannot be undone now is tried again by the next
// reconcile; the record stays until then.
func (s *Supervisor) clean(l *live) {
	if l.snapshot().Cleaned {
		s.ledger.release(l.id)
		return
	}
	err := launch.Down(s.life, l.attempt, launch.Steps())
	s.ledger.release(l.id)
	if err != nil {
		s.o.Log.Error("clean up after a session", "session", l.id, "error", err)
		return
	}
	if err := l.attempt.Commit(func(r *session.Record) { r.Cleaned, r.Intent = true, "" }); err != nil {
		s.o.Log.Error("record that a session is cleaned up", "session", l.id, "error", err)
	}
	s.hub.changed(l.snapshot())
}

// outcomeMessage says in words how a container ended.
func outcomeMessage(e Exit) string {
	switch {
	case e.HostRestart:
		return "the machine was restarted"
	case e.Lost:
		return "the container is gone, and nobody saw how it ended"
	case e.OOM:
		return "a process was killed because the session was out of memory"
	case e.Code != nil:
		return fmt.Sprintf("exited with %d", *e.Code)
	}
	return "nobody saw how it ended"
}
