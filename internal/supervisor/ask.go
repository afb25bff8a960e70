package supervisor

import (
	"context"
	"slices"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// Find returns the record of the session that ref names, and what it waits for in words, if it waits.
func (s *Supervisor) Find(caller identity.Caller, ref string) (session.Record, string, error) {
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, "", err
	}
	why, _ := s.admission.why(l.id)
	return l.snapshot(), why, nil
}

// Position is the place of a session in the queue, from 1; 0 for one that is not in line.
func (s *Supervisor) Position(id string) int {
	_, position := s.admission.why(id)
	return position
}

// Depths is how many sessions of all users wait for what.
func (s *Supervisor) Depths() map[string]int { return s.admission.depths() }

// Follow is [Supervisor.Find] for somebody who waits: the channel is closed when the session has ended.
func (s *Supervisor) Follow(caller identity.Caller, ref string) (session.Record, <-chan struct{}, error) {
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, nil, err
	}
	return l.snapshot(), l.ended, nil
}

// List returns the caller's sessions, newest first; everybody's with all, for administrators.
func (s *Supervisor) List(caller identity.Caller, all, ended bool) []session.Record {
	s.mu.Lock()
	found := s.index.of(caller.UID, all && caller.Admin, ended)
	s.mu.Unlock()
	list := make([]session.Record, 0, len(found))
	for _, l := range found {
		// One may have ended since.
		if rec := l.snapshot(); ended || !rec.Status.Final() {
			list = append(list, rec)
		}
	}
	slices.SortFunc(list, newest)
	return list
}

// Terminate asks a session to end, politely, or at once with force. Asking again is no error; one that has ended stays as
// it is.
func (s *Supervisor) Terminate(caller identity.Caller, ref string, force bool) (session.Record, error) {
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, err
	}
	if rec := l.snapshot(); rec.Status.Final() {
		return rec, nil
	}
	err = l.attempt.Commit(func(r *session.Record) {
		r.Stop = &session.Stop{Reason: session.ReasonUser, By: caller.UID, Forced: force, Time: s.o.Now().UTC()}
	})
	if err != nil {
		return session.Record{}, err
	}
	l.ask(force, errStopped)
	return l.snapshot(), nil
}

// Remove forgets a session that has ended, with its logs and its files.
func (s *Supervisor) Remove(ctx context.Context, caller identity.Caller, ref string) (session.Record, error) {
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, err
	}
	rec := l.snapshot()
	if !rec.Status.Final() {
		return rec, errs.New(errs.Conflict, "remove session %s: it is %s", rec.ID, rec.Status).
			WithHint("end it first: ctl session terminate %s", rec.ID)
	}
	patience := time.NewTimer(aWhile)
	defer patience.Stop()
	select {
	case <-l.done:
	case <-patience.C:
	case <-ctx.Done():
		return rec, ctx.Err()
	}
	if rec = l.snapshot(); !rec.Cleaned {
		return rec, errs.New(errs.Conflict, "remove session %s: it is not cleaned up yet: %s", rec.ID, l.obstacle()).
			WithHint("it is tried again and again; ctl system doctor says what is wrong with the engine")
	}
	return rec, s.forget(l, rec)
}

// forget removes the record with all that the session has kept.
func (s *Supervisor) forget(l *live, rec session.Record) error {
	if err := s.bequeath(rec); err != nil {
		return err
	}
	if err := s.o.Records.Remove(rec.Owner, rec.ID); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.remove(l, rec)
	return nil
}

// Listen returns the events after the sequence, and those to come, that the caller may see; of one session if id is not
// empty. The channel is closed when the listener falls behind: he may listen again from what he has seen.
func (s *Supervisor) Listen(
	caller identity.Caller, all bool, id string, after int64,
) (old []api.Event, events <-chan api.Event, cancel func()) {
	return s.hub.listen(after, func(e api.Event) bool {
		mine := e.OwnerUID == caller.UID || caller.Admin && (all || id != "")
		return mine && (id == "" || e.SessionID == id)
	})
}
