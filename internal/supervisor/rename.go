package supervisor

import (
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Rename gives a living session another name, which none of its owner's living sessions may have. One that has ended
// keeps its name: it is how its owner finds it again.
func (s *Supervisor) Rename(caller identity.Caller, ref, name string) (session.Record, error) {
	if err := plan.CheckSessionName(name); err != nil {
		return session.Record{}, err
	}
	l, err := s.find(caller, ref)
	if err != nil {
		return session.Record{}, err
	}
	// Held while the record is written, as for a launch: between the check and the write nobody gets the name.
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.index.byName[nameKey{l.owner, name}]; ok && other != l {
		return session.Record{}, errs.New(errs.Conflict, "session name %q is taken by %s", name, other.id).
			WithHint("give another name, or end it: ctl session terminate %s", other.id)
	}
	old, ended := "", false
	err = l.attempt.Commit(func(r *session.Record) {
		// One that ends now has left the index, or will under the name that it then has.
		if ended = r.Status.Final(); !ended {
			old, r.Plan.Name = r.Plan.Name, name
		}
	})
	if ended {
		return session.Record{}, errs.New(errs.Conflict, "rename session %s: it has ended", l.id).
			WithHint("only a living session gets another name")
	}
	if err != nil {
		l.attempt.Change(func(r *session.Record) { r.Plan.Name = old })
		return session.Record{}, err
	}
	s.index.renamed(l, old, name)
	rec := l.snapshot()
	if old != name {
		s.hub.note(rec, "renamed from "+old+" to "+name)
	}
	return rec, nil
}

// renamed moves a living session to another name.
func (x *index) renamed(l *live, old, name string) {
	if k := (nameKey{l.owner, old}); x.byName[k] == l {
		delete(x.byName, k)
	}
	x.byName[nameKey{l.owner, name}] = l
}
