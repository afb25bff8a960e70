package queue

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"agentd/internal/plan"
)

// sessions is the slot of which every session takes one, in the rooms that bound their number.
const sessions = "sessions"

// room is a bound of several sessions: the machine's, a user's, an array's. It has one reservation, for the first that
// does not fit.
type room struct {
	free map[string]int64
	// strict means that there is nothing of a slot that is not in free, else it is not bounded.
	strict  bool
	holders []Holder
	// head is who has the reservation; nil for nobody. At is when it can start at the latest, zero if nobody knows; spare
	// is what will be free beside it then.
	head  *Entry
	at    time.Time
	spare map[string]int64
	// last is the holder whose end makes room for the head.
	last Holder
}

func newRoom(capacity map[string]int64) *room {
	if capacity == nil {
		capacity = map[string]int64{}
	}
	return &room{free: maps.Clone(capacity)}
}

// parts are those of a demand that the room bounds.
func (r *room) parts(demand []plan.Amount) []plan.Amount {
	if _, counted := r.free[sessions]; counted {
		demand = append(slices.Clone(demand), plan.Amount{Slot: sessions, Amount: 1})
	}
	bounded := make([]plan.Amount, 0, len(demand))
	for _, a := range demand {
		if _, ok := r.free[a.Slot]; (ok || r.strict) && a.Amount > 0 {
			bounded = append(bounded, a)
		}
	}
	return bounded
}

// take counts a session in.
func (r *room) take(h Holder) {
	for _, a := range r.parts(h.Demand) {
		r.free[a.Slot] -= a.Amount
	}
	r.holders = append(r.holders, h)
}

// admit reports what keeps an entry out, and nothing if it may come in.
func (r *room) admit(e Entry, kind Kind, now time.Time) Verdict {
	demand := r.parts(e.Demand)
	v := Verdict{Kind: kind, Owner: e.Owner, Array: e.Array, Parallel: e.Parallel}
	for _, a := range demand {
		if a.Amount > r.free[a.Slot] {
			v.Short = append(v.Short, Shortage{Slot: a.Slot, Needed: a.Amount, Free: max(0, r.free[a.Slot])})
		}
	}
	switch {
	case len(v.Short) > 0 && r.head == nil:
		r.reserve(e, demand, now)
		v.At, v.By, v.ByOwner = r.at, r.last.ID, r.last.Owner
		return v
	case len(v.Short) > 0:
		return v
	case r.head == nil, r.inTime(e, now), fits(demand, r.spare):
		return Verdict{}
	}
	v.Before, v.BeforeOwner = r.head.ID, r.head.Owner
	return v
}

// enter counts in an entry that was admitted.
func (r *room) enter(e Entry, h Holder, now time.Time) {
	if r.head != nil && !r.inTime(e, now) {
		for _, a := range r.parts(e.Demand) {
			r.spare[a.Slot] -= a.Amount
		}
	}
	r.take(h)
}

// inTime reports whether an entry gives everything back before the head can start at the latest: then it may have
// whatever is free.
func (r *room) inTime(e Entry, now time.Time) bool {
	return e.Limit > 0 && !r.at.IsZero() && !now.Add(e.Limit).After(r.at)
}

// reserve finds out when the first one that does not fit can start at the latest, and what is left beside it then. If
// nobody knows when, what is left of each slot now is what counts: a holder that is needed may end at any moment.
func (r *room) reserve(e Entry, demand []plan.Amount, now time.Time) {
	r.head = &e
	free := maps.Clone(r.free)
	for _, h := range r.ending() {
		for _, a := range r.parts(h.Demand) {
			free[a.Slot] += a.Amount
		}
		if fits(demand, free) {
			// One that is late may be gone at any moment.
			r.at, r.last = later(h.Until, now), h
			break
		}
	}
	if r.at.IsZero() {
		free = maps.Clone(r.free)
	}
	r.spare = free
	for _, a := range demand {
		r.spare[a.Slot] -= a.Amount
	}
}

// ending are the holders whose end is known, the earliest first.
func (r *room) ending() []Holder {
	known := slices.DeleteFunc(slices.Clone(r.holders), func(h Holder) bool { return h.Until.IsZero() })
	slices.SortStableFunc(known, func(a, b Holder) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID))
	})
	return known
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fits reports whether there is enough free for a demand.
func fits(demand []plan.Amount, free map[string]int64) bool {
	return !slices.ContainsFunc(demand, func(a plan.Amount) bool { return a.Amount > free[a.Slot] })
}
