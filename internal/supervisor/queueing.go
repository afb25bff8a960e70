package supervisor

import (
	"fmt"
	"slices"
	"time"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Queueing is what a launch asks of the queue.
type Queueing struct {
	// Priority is from 0 to 100; nil means [session.DefaultPriority].
	Priority *int
	// StartsAt is the earliest start; nil for at once.
	StartsAt *time.Time
	// Depends names sessions that have to end well before; DependsAny, those that have to end.
	Depends, DependsAny []string
	// Array asks for several sessions; nil for one.
	Array *ArrayRange
	// Remove forgets the session soon after its end.
	Remove bool
}

// ArrayRange says which numbers the sessions of an array have, and how many run at a time; 0 for no bound.
type ArrayRange struct{ First, Last, Parallel int }

// maxArray bounds the sessions of one launch.
const maxArray = 1000

// len is how many sessions there are; one without an array.
func (r *ArrayRange) len() int {
	if r == nil {
		return 1
	}
	return r.Last - r.First + 1
}

// check refuses what cannot be asked for.
func (q Queueing) check() error {
	if p := q.Priority; p != nil && (*p < 0 || *p > session.MaxPriority) {
		return errs.New(errs.Invalid, "priority %d: want 0 to %d", *p, session.MaxPriority)
	}
	if r := q.Array; r != nil {
		switch {
		case r.First < 0 || r.Last < r.First || r.Parallel < 0:
			return errs.New(errs.Invalid, "array %d-%d%%%d: want FIRST-LAST or FIRST-LAST%%PARALLEL", r.First, r.Last, r.Parallel)
		case r.len() > maxArray:
			return errs.New(errs.TooLarge, "array of %d sessions: %d are the most", r.len(), maxArray)
		}
	}
	return nil
}

// of is what the record keeps of it.
func (q Queueing) of(p plan.Plan) session.Queue {
	kept := session.Queue{Priority: session.DefaultPriority, Remove: q.Remove}
	if q.Priority != nil {
		kept.Priority = *q.Priority
	}
	if q.StartsAt != nil {
		at := q.StartsAt.UTC()
		kept.StartsAt = &at
	}
	if p.Retry != nil {
		kept.Retry = &session.Tries{Max: p.Retry.Max, On: p.Retry.On}
	}
	return kept
}

// launchArrayLocked makes the sessions of an array: all of them, or none.
func (s *Supervisor) launchArrayLocked(
	req Request, first session.Record, secrets launch.Secrets, before int64,
) (Accepted, error) {
	name, err := s.arrayNameLocked(first.Owner, first.Plan.Name, *req.Queue.Array, req.Overrides.Name != "")
	if err != nil {
		return Accepted{}, err
	}
	var list []session.Record
	for index := req.Queue.Array.First; index <= req.Queue.Array.Last; index++ {
		rec := first
		if index > req.Queue.Array.First {
			if rec, err = s.another(first); err != nil {
				break
			}
		}
		rec.Plan.Name = fmt.Sprintf("%s-%d", name, index)
		rec.Queue.Array = &session.Array{
			ID: "a" + first.ID[1:], Name: name, Index: index, Count: req.Queue.Array.len(), Parallel: req.Queue.Array.Parallel,
		}
		rec.Queue.Sequence = s.admission.next()
		if err = s.o.Records.Save(rec); err != nil {
			break
		}
		list = append(list, rec)
	}
	if err != nil {
		for _, rec := range list {
			if failed := s.o.Records.Remove(rec.Owner, rec.ID); failed != nil {
				s.o.Log.Error("take back a part of an array", "session", rec.ID, "error", failed)
			}
		}
		return Accepted{}, err
	}
	for _, rec := range list {
		s.beginLocked(rec, secrets)
	}
	return Accepted{Record: list[0], Array: list, Created: true, Sequence: before}, nil
}

// another is a record like the first, with an id of its own and without the key, which finds the first.
func (s *Supervisor) another(first session.Record) (session.Record, error) {
	id, err := s.randomHex(idBytes)
	if err != nil {
		return session.Record{}, err
	}
	rec := first
	rec.ID, rec.IdempotencyKey, rec.History = "s"+id, "", slices.Clone(first.History)
	rec.Nonce, err = s.nonce(rec.ID)
	return rec, err
}

// arrayNameLocked is a name of which no number is taken; one that was asked for is not changed.
func (s *Supervisor) arrayNameLocked(owner uint32, name string, r ArrayRange, asked bool) (string, error) {
	taken := func(name string) *live {
		for index := r.First; index <= r.Last; index++ {
			if l, ok := s.index.byName[nameKey{owner, fmt.Sprintf("%s-%d", name, index)}]; ok {
				return l
			}
		}
		return nil
	}
	if longest := fmt.Sprintf("%s-%d", name, r.Last); asked {
		if err := plan.CheckSessionName(longest); err != nil {
			return "", err
		}
	}
	if other := taken(name); other != nil && asked {
		rec := other.snapshot()
		return "", errs.New(errs.Conflict, "session name %q is taken by %s", rec.Plan.Name, rec.ID).
			WithHint("give another --name, or end it: ctl session terminate %s", rec.ID)
	}
	free := name
	for n := 2; taken(free) != nil; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return free, nil
}

// acceptedLocked is the answer to a launch that was sent again.
func (s *Supervisor) acceptedLocked(rec session.Record) Accepted {
	done := Accepted{Record: rec}
	if rec.Queue.Array == nil {
		return done
	}
	for _, l := range s.index.of(rec.Owner, false, true) {
		if other := l.snapshot(); other.Queue.Array != nil && other.Queue.Array.ID == rec.Queue.Array.ID {
			done.Array = append(done.Array, other)
		}
	}
	slices.SortFunc(done.Array, func(a, b session.Record) int { return a.Queue.Array.Index - b.Queue.Array.Index })
	return done
}
