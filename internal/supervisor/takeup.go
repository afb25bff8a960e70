package supervisor

import (
	"context"
	"time"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/session"
)

// Sight is what the engine has under the name of a session's container.
type Sight struct {
	ID string
	// Begun is true if the container was ever started.
	Begun bool
	// PID is that of its first process; 0 if it does not run.
	PID int
}

// engine is what the supervisor itself asks of the engine.
type engine interface {
	// Look finds a session's container by its name and nonce. The code is not_found only if the engine has answered, and
	// has none that is this session's.
	Look(ctx context.Context, rec session.Record) (Sight, error)
	// Ping returns nil if the engine answers.
	Ping(ctx context.Context) error
	// SilentSince reports whether the engine left a question unanswered after t.
	SilentSince(t time.Time) bool
}

// Bounds of the pause between two questions to an engine that does not answer.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
)

// takeUp finds out how far a launch came that was cut off: by a kill of agentd, or by an engine that did not answer. It
// reports true if the container was started; then the session is as if it had never been cut off. Else nothing is left
// of the container, and the launch can be done again. It waits for the engine as long as ctx does: its silence decides
// nothing.
func (s *Supervisor) takeUp(ctx context.Context, l *live) (begun bool, err error) {
	if rec := l.snapshot(); rec.Begun() {
		return true, nil
	}
	pause := firstPause
	for {
		begun, err = s.takeUpOnce(ctx, l)
		if err == nil || ctx.Err() != nil || !silent(err) {
			return begun, causeOf(ctx, err)
		}
		if pause == firstPause {
			s.hub.note(l.snapshot(), "waits for the Docker Engine: "+err.Error())
		}
		if !sleep(ctx, pause) {
			return false, context.Cause(ctx)
		}
		pause = min(2*pause, lastPause)
	}
}

// silent reports whether an error can mean that the engine did not answer.
func silent(err error) bool { return errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Timeout) }

func (s *Supervisor) takeUpOnce(ctx context.Context, l *live) (begun bool, err error) {
	rec, asked := l.snapshot(), s.o.Now()
	sight, err := s.o.Engine.Look(ctx, rec)
	switch {
	case errs.Is(err, errs.NotFound):
		return false, s.discard(ctx, l)
	case err != nil:
		return false, err
	case !sight.Begun && rec.Intent == launch.IntentStart:
		// The engine may be about to start it: to ask again is safe, and the only way to run the job once.
		pid, err := s.o.Ports.Containers.Start(ctx, sight.ID)
		if silent(err) && s.engineFell(ctx, asked) {
			return false, err
		}
		// An engine that answers that it cannot start it has not: what it was to mount is gone, say.
		if err == nil {
			sight.Begun, sight.PID = true, pid
		}
	}
	if !sight.Begun {
		return false, s.discard(ctx, l)
	}
	return true, s.adopt(ctx, l, sight)
}

// discard takes away a container that never ran, so that the launch can be done again from its beginning.
func (s *Supervisor) discard(ctx context.Context, l *live) error {
	rec := l.snapshot()
	if err := s.o.Ports.Containers.Remove(ctx, layout.ContainerName(rec.ID), rec.Nonce); err != nil {
		return err
	}
	return l.attempt.Commit(func(r *session.Record) {
		r.Intent, r.Staged.ContainerID, r.Staged.BootID = "", "", ""
	})
}

// adopt puts on record that the container was started, although the answer, or the record, was lost.
func (s *Supervisor) adopt(ctx context.Context, l *live, sight Sight) error {
	rec := l.snapshot()
	if !rec.HoldsSlots() {
		s.admission.hold(rec)
	}
	for _, next := range []session.Status{session.Preparing, session.Prepared, session.Creating} {
		if rec := l.snapshot(); !rec.HoldsSlots() && rec.Status.May(next) {
			if err := s.enter(l, next, "", "found again"); err != nil {
				return err
			}
		}
	}
	var applied *session.Applied
	if sight.PID > 0 {
		if got, err := s.o.Ports.Limits.Verify(ctx, sight.ID, sight.PID, rec.Plan.Limits); err == nil {
			applied = &got
		} else if !errs.Is(err, errs.NotFound) {
			s.o.Log.Warn("verify the limits of a session that was found again", "session", l.id, "error", err)
		}
	}
	s.o.Log.Info("found a session's container again", "session", l.id, "container", sight.ID, "runs", sight.PID > 0)
	return l.attempt.Commit(func(r *session.Record) {
		r.Intent, r.Staged.ContainerID = "", sight.ID
		if r.Staged.BootID == "" {
			r.Staged.BootID = s.o.BootID
		}
		if applied != nil {
			r.Staged.Applied = applied
		}
	})
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
