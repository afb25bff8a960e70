package supervisor

import (
	"fmt"
	"slices"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/queue"
	"agentd/internal/session"
)

// meetLocked tells the queue, after a start, how those ended that others depend on. Of one without a record nobody knows.
func (s *Supervisor) meetLocked() {
	needed := map[string]bool{}
	for _, l := range s.index.byID {
		rec := l.snapshot()
		if rec.HoldsSlots() || rec.Status.Final() {
			continue
		}
		for _, dep := range rec.Queue.After {
			needed[dep.ID] = needed[dep.ID] || dep.Outcome == ""
		}
	}
	for id, open := range needed {
		if open {
			s.meet(id)
		}
	}
}

// meet tells the queue how a session ended, if it has.
func (s *Supervisor) meet(id string) {
	o := queue.Gone
	if l := s.index.byID[id]; l != nil {
		o = outcomeOf(l.snapshot())
	}
	if o != queue.Living {
		s.admission.outcome(id, o)
	}
}

// dependencies finds the sessions that a launch names, living or ended; the name or id of an array stands for all of it.
func (s *Supervisor) dependencies(caller identity.Caller, q Queueing) ([]session.Dependency, error) {
	var list []session.Dependency
	add := func(ref string, any bool) error {
		found, err := s.named(caller, ref)
		if err != nil {
			return fmt.Errorf("depend on %s: %w", ref, err)
		}
		for _, rec := range found {
			same := func(d session.Dependency) bool { return d.ID == rec.ID && d.Any == any }
			if !slices.ContainsFunc(list, same) {
				list = append(list, session.Dependency{ID: rec.ID, Name: rec.Plan.Name, Any: any})
			}
		}
		return nil
	}
	for _, ref := range q.Depends {
		if err := add(ref, false); err != nil {
			return nil, err
		}
	}
	for _, ref := range q.DependsAny {
		if err := add(ref, true); err != nil {
			return nil, err
		}
	}
	if len(list) > maxDependencies {
		return nil, errs.New(errs.TooLarge, "launch depends on %d sessions; %d are the most", len(list), maxDependencies)
	}
	return list, nil
}

// maxDependencies bounds what one session may wait for.
const maxDependencies = 1000

// named are the sessions that a reference stands for: one, or all of an array.
func (s *Supervisor) named(caller identity.Caller, ref string) ([]session.Record, error) {
	l, err := s.find(caller, ref)
	if err == nil {
		return []session.Record{l.snapshot()}, nil
	}
	s.mu.Lock()
	all := s.index.of(caller.UID, false, true)
	s.mu.Unlock()
	var found []session.Record
	newest := ""
	for _, l := range slices.SortedFunc(slices.Values(all), older) {
		rec := l.snapshot()
		if a := rec.Queue.Array; a != nil && (a.ID == ref || a.Name == ref) {
			if a.ID != newest {
				// A later array of the same name.
				newest, found = a.ID, nil
			}
			found = append(found, rec)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, err
}

// unmet says in words which dependency did not end well.
func (s *Supervisor) unmet(rec session.Record) string {
	for _, dep := range rec.Queue.After {
		if dep.Any {
			continue
		}
		s.mu.Lock()
		l := s.index.byID[dep.ID]
		s.mu.Unlock()
		if l == nil {
			if dep.Outcome != string(queue.Succeeded) {
				return fmt.Sprintf("depends on %s (%s), of which there is no record any more", dep.ID, dep.Name)
			}
			continue
		}
		on := l.snapshot()
		if outcomeOf(on) == queue.Failed {
			return fmt.Sprintf("depends on %s (%s), which did not end well: %s", on.ID, on.Plan.Name, ended(on))
		}
	}
	return "what it depends on did not end well"
}

// ended says how a session ended, in a few words.
func ended(rec session.Record) string {
	last := rec.History[len(rec.History)-1]
	if last.Message != "" {
		return last.Message
	}
	return last.Reason
}

// bequeath puts down how a session ended in the records of those that depend on it, before its own goes.
func (s *Supervisor) bequeath(rec session.Record) error {
	for _, id := range s.admission.dependents(rec.ID) {
		s.mu.Lock()
		l := s.index.byID[id]
		s.mu.Unlock()
		if l == nil {
			continue
		}
		err := l.attempt.Commit(func(r *session.Record) {
			r.Queue.After = slices.Clone(r.Queue.After)
			for i := range r.Queue.After {
				if r.Queue.After[i].ID == rec.ID {
					r.Queue.After[i].Outcome = string(outcomeOf(rec))
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
