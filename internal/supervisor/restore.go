package supervisor

import (
	"context"

	"agentd/internal/plan"
	"agentd/internal/session"
)

// Restore takes up every session of the last life where its record says it was: running ones are watched again, launches
// go on, ended ones are cleaned up. It returns the number of sessions that live; what is done about them is done beside.
func (s *Supervisor) Restore(context.Context) (int, error) {
	recs, err := s.o.Records.Load()
	if err != nil {
		return 0, err
	}
	living := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rec := range recs {
		l := s.newLive(rec)
		s.index.add(l, rec)
		if rec.Status.Final() && rec.Cleaned {
			close(l.done)
			continue
		}
		if rec.HoldsSlots() {
			s.ledger.hold(rec.ID, plan.Demand(rec.Plan.Limits))
		}
		if rec.Stop != nil {
			l.ask(rec.Stop.Forced, errStopped)
		}
		if !rec.Status.Final() {
			living++
		}
		s.wg.Go(func() { s.resume(l) }) //nolint:contextcheck // the session outlives the start
	}
	return living, nil
}

// resume is drive for a session of the last life. One that was between its container's creation and its start has a
// container that may never have run: it is taken away, and the launch ends with that as its reason.
func (s *Supervisor) resume(l *live) {
	rec := l.snapshot()
	if rec.Status == session.Creating && rec.Intent != "" {
		message := "agentd was restarted while it wanted to " + rec.Intent
		l.attempt.Change(func(r *session.Record) {
			r.Failure = &session.Fault{Step: "container", Code: "interrupted", Message: message, Hint: "launch it again"}
		})
		if err := s.enter(l, session.Error, session.ReasonStep, message); err != nil {
			s.o.Log.Error("end an interrupted launch", "session", l.id, "error", err)
		}
	}
	s.drive(l)
}
