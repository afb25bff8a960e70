// Package queue decides who starts now, who waits and for what: it is pure, and holds nothing.
package queue

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"agentd/internal/plan"
)

// Entry is a session that waits.
type Entry struct {
	ID    string
	Owner uint32
	// Priority is from 0 to 100; the higher ones come first, and among equals the lower Sequence.
	Priority int
	Sequence int64
	Demand   []plan.Amount
	// Limit is how long it holds its slots at most; 0 if nobody knows.
	Limit time.Duration
	// NotBefore is the earliest start; zero for at once.
	NotBefore time.Time
	After     []Dependency
	// Array is the array that it belongs to, of which Parallel run at a time; 0 for all.
	Array    string
	Parallel int
	// Phase is how far it has come.
	Phase Phase
	// Kept is true if it was staged in an earlier life of agentd: while it fetches again, its place is kept.
	Kept bool
}

// Phase is what an entry has done so far.
type Phase int

// The phases, in their order. What is fetched does not wait for slots, and holds none.
const (
	// Accepted has done nothing.
	Accepted Phase = iota
	// Fetching was let go to fetch its image and its clone.
	Fetching
	// Staged has all that it needs, but for its slots.
	Staged
)

// Dependency is a session that must have ended before.
type Dependency struct {
	ID string
	// Any accepts every end; else only a good one.
	Any     bool
	Outcome Outcome
}

// Outcome is what became of a session that others depend on.
type Outcome string

// The outcomes.
const (
	Living    Outcome = ""
	Succeeded Outcome = "success"
	Failed    Outcome = "failure"
	// Gone is that of a session of which there is no record any more.
	Gone Outcome = "gone"
)

// Holder is a session that has its slots.
type Holder struct {
	ID     string
	Owner  uint32
	Array  string
	Demand []plan.Amount
	// Until is when it gives them back at the latest; zero if nobody knows.
	Until time.Time
}

// Quota bounds what one user's sessions hold at a time; what is not in it is not bounded.
type Quota struct {
	// Sessions is the number of those that hold slots; 0 for no bound.
	Sessions int
	// Slots are amounts by slot.
	Slots map[string]int64
}

// State is all that a decision depends on.
type State struct {
	Now      time.Time
	Capacity map[string]int64
	Holders  []Holder
	Waiting  []Entry
	// Quota returns that of a user; nil for none.
	Quota func(owner uint32) Quota
	// Ahead is how many entries of one user are fetched for ahead of their turn; Fetches, how many of them at a time.
	Ahead, Fetches int
}

// Decision says what is to be done.
type Decision struct {
	// Start are the entries that get their slots now, in order; Fetch are those that may begin to fetch.
	Start, Fetch []string
	// Cancel are the entries whose dependencies will never be met.
	Cancel []string
	// Verdicts are what all others wait for, by id.
	Verdicts map[string]Verdict
	// Next is when a decision can be another one although nothing has happened; zero for never.
	Next time.Time
}

// Decide goes through the entries in their order. What fits is started, unless that could delay one before it: the first
// of each kind that does not fit has a reservation. The same state gives the same decision.
func Decide(s State) Decision {
	d := decider{
		State: s, arrays: map[string]*room{}, owners: map[uint32]*room{}, machine: newRoom(s.Capacity),
		out: Decision{Verdicts: make(map[string]Verdict, len(s.Waiting))},
	}
	d.machine.strict = true
	waiting := slices.Clone(s.Waiting)
	slices.SortFunc(waiting, before)
	d.throttles(waiting)
	for _, h := range s.Holders {
		d.take(h)
	}
	position := 0
	for _, e := range waiting {
		v := d.consider(e)
		if v.Kind == none {
			continue
		}
		if v.Kind != ForStart && v.Kind != ForSessions {
			position++
			v.Position = position
		}
		d.out.Verdicts[e.ID] = v
	}
	d.fetches(waiting)
	return d.out
}

// before orders entries; ids are the last resort, for records that an older agentd wrote.
func before(a, b Entry) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID, b.ID))
}

// decider is one decision being made.
type decider struct {
	State
	machine *room
	arrays  map[string]*room
	owners  map[uint32]*room
	out     Decision
}

// throttles makes the room of each array and each owner.
func (d *decider) throttles(waiting []Entry) {
	for _, e := range waiting {
		if e.Array != "" && e.Parallel > 0 && d.arrays[e.Array] == nil {
			d.arrays[e.Array] = newRoom(map[string]int64{sessions: int64(e.Parallel)})
		}
		if d.Quota == nil || d.owners[e.Owner] != nil {
			continue
		}
		q := d.Quota(e.Owner)
		bounds := maps.Clone(q.Slots)
		if bounds == nil {
			bounds = map[string]int64{}
		}
		if q.Sessions > 0 {
			bounds[sessions] = int64(q.Sessions)
		}
		d.owners[e.Owner] = newRoom(bounds)
	}
}

// take counts what a session holds, in every room that it is in.
func (d *decider) take(h Holder) {
	d.machine.take(h)
	if r := d.owners[h.Owner]; r != nil {
		r.take(h)
	}
	if r := d.arrays[h.Array]; r != nil {
		r.take(h)
	}
}

// consider starts an entry, or says what it waits for.
func (d *decider) consider(e Entry) Verdict {
	if v := d.barred(e); v.Kind != none {
		return v
	}
	rooms := []struct {
		room *room
		kind Kind
	}{{d.arrays[e.Array], ForArray}, {d.owners[e.Owner], ForQuota}, {d.machine, ForSlots}}
	for _, at := range rooms {
		if at.kind == ForSlots && e.Phase != Staged && !e.Kept {
			return fetching(e)
		}
		if at.room == nil {
			continue
		}
		if v := at.room.admit(e, at.kind, d.Now); v.Kind != none {
			return v
		}
	}
	h := Holder{ID: e.ID, Owner: e.Owner, Array: e.Array, Demand: e.Demand}
	if e.Limit > 0 {
		h.Until = d.Now.Add(e.Limit)
	}
	for _, at := range rooms {
		if at.room != nil {
			at.room.enter(e, h, d.Now)
		}
	}
	if e.Phase != Staged {
		return fetching(e)
	}
	d.out.Start = append(d.out.Start, e.ID)
	return Verdict{}
}

func fetching(e Entry) Verdict {
	return Verdict{Kind: ForFetch, Owner: e.Owner, Fetching: e.Phase == Fetching}
}

// barred is about entries that may not even fetch: their time has not come, or what they depend on has not ended.
func (d *decider) barred(e Entry) Verdict {
	for _, dep := range e.After {
		if !dep.Any && (dep.Outcome == Failed || dep.Outcome == Gone) {
			d.out.Cancel = append(d.out.Cancel, e.ID)
			return Verdict{Kind: ForSessions, Owner: e.Owner, Dependency: dep}
		}
	}
	for _, dep := range e.After {
		if dep.Outcome == Living {
			return Verdict{Kind: ForSessions, Owner: e.Owner, Dependency: dep}
		}
	}
	if e.NotBefore.After(d.Now) {
		if d.out.Next.IsZero() || e.NotBefore.Before(d.out.Next) {
			d.out.Next = e.NotBefore
		}
		return Verdict{Kind: ForStart, Owner: e.Owner, At: e.NotBefore}
	}
	return Verdict{}
}

// fetches lets entries begin to fetch, in their order: a few at a time, and not so many ahead that disks are filled for
// what runs next week. Elements of an array that its bound keeps from running are passed over, lest those behind starve.
func (d *decider) fetches(waiting []Entry) {
	ahead, busy, elements := map[uint32]int{}, map[uint32]int{}, map[string]int{}
	for _, e := range waiting {
		if e.Phase == Fetching {
			busy[e.Owner]++
		}
	}
	for _, e := range waiting {
		v, waits := d.out.Verdicts[e.ID]
		if waits && (v.Kind == ForStart || v.Kind == ForSessions) {
			continue
		}
		if e.Parallel > 0 {
			if elements[e.Array]++; elements[e.Array] > e.Parallel {
				continue
			}
		}
		ahead[e.Owner]++
		if e.Phase != Accepted || ahead[e.Owner] > d.Ahead || busy[e.Owner] >= d.Fetches {
			continue
		}
		busy[e.Owner]++
		d.out.Fetch = append(d.out.Fetch, e.ID)
	}
}
