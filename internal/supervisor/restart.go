package supervisor

import (
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// Restart ends what runs of a session, politely, and begins it anew as the same session: its id, name, plan, commit and
// files stay, and so does its place among the slots as far as nobody comes first. It returns when that is on record, and
// happens from then on whatever becomes of agentd. The code is conflict if the session does not run.
func (s *Supervisor) Restart(caller identity.Caller, ref string) (session.Record, error) {
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, err
	}
	var status session.Status
	var moved error
	err = l.attempt.Commit(func(r *session.Record) {
		if status = r.Status; status == session.Running && r.Stop == nil {
			r.Restart = true
			moved = r.Enter(session.Terminating, s.o.Now(), session.ReasonUser, "asked to restart")
		}
	})
	rec := l.snapshot()
	switch {
	case err != nil || moved != nil:
		// Not on record: it has not been asked for.
		l.attempt.Change(func(r *session.Record) { r.Restart = false })
		if err == nil {
			err = moved
		}
		return session.Record{}, err
	case rec.Due() && status != session.Running:
		// Asked for twice.
		return rec, nil
	case !rec.Due():
		return session.Record{}, errs.New(errs.Conflict, "restart session %s: it is %s", l.id, status).
			WithHint("only a running session is restarted; ctl session relaunch %s starts it as a new one", l.id)
	}
	s.hub.status(rec, "asked to restart")
	l.wake()
	return rec, nil
}
