package supervisor

import (
	"fmt"
	"slices"
	"strconv"

	"agentd/internal/session"
)

// tryAgain decides whether a session that has ended is to be tried again, and puts that down before anything is undone.
func (s *Supervisor) tryAgain(l *live, v verdict, e Exit) bool {
	rec := l.snapshot()
	r := rec.Queue.Retry
	if r == nil || r.Done >= r.Max || !caused(*r, v, e) {
		return false
	}
	message := fmt.Sprintf("%s; it is tried again (%d of %d)", v.message, r.Done+1, r.Max)
	err := l.attempt.Commit(func(rec *session.Record) {
		next := *rec.Queue.Retry
		next.Due = true
		rec.Queue.Retry = &next
		rec.ExitCode = e.Code
	})
	if err == nil && rec.Status != session.Terminating {
		err = s.enter(l, session.Terminating, v.reason, message)
	}
	if err != nil {
		s.o.Log.Error("record that a session is tried again", "session", l.id, "error", err)
	}
	return true
}

// caused reports whether an end is among the causes of a further try.
func caused(r session.Tries, v verdict, e Exit) bool {
	on := r.On
	if len(on) == 0 {
		on = []string{"failure"}
	}
	has := func(cause string) bool { return slices.Contains(on, cause) }
	switch v.reason {
	case session.ReasonOOM:
		return has("oom") || has("failure")
	case session.ReasonTimeout:
		return has("timeout")
	case session.ReasonLost, session.ReasonHostRestart, session.ReasonEngine:
		return has("lost")
	case session.ReasonExit:
		return v.result == session.Failure && (has("failure") || e.Code != nil && has(strconv.Itoa(*e.Code)))
	}
	return false
}

// again undoes what the last try left, and puts the session back into the queue, at its old place. It reports false if
// agentd stops.
func (s *Supervisor) again(l *live) bool {
	var moved error
	put := func(r *session.Record) {
		reason, message := session.ReasonUser, "restarted"
		if !r.Restart {
			next := *r.Queue.Retry
			next.Due, next.Done = false, next.Done+1
			r.Queue.Retry = &next
			reason, message = session.ReasonRetry, fmt.Sprintf("try %d of %d", next.Done+1, next.Max+1)
		}
		r.Restart = false
		r.Intent, r.ExitCode, r.Result, r.Started, r.Ended, r.Failure = "", nil, session.Undefined, nil, nil, nil
		r.Staged.ContainerID, r.Staged.BootID, r.Staged.Applied = "", "", nil
		moved = r.Enter(session.Pending, s.o.Now(), reason, message)
	}
	if !s.takeDown(l, put) {
		return false
	}
	if moved != nil {
		s.o.Log.Error("put a session back into the queue", "session", l.id, "error", moved)
		return false
	}
	s.admission.release(l.id)
	l.restored = false
	rec := l.snapshot()
	s.admission.enter(rec, false)
	s.hub.status(rec, rec.History[len(rec.History)-1].Message)
	return true
}
