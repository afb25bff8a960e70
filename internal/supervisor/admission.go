package supervisor

import (
	"context"
	"slices"
	"sync"
	"time"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/queue"
	"agentd/internal/session"
)

// Bounds of what is fetched for sessions of one owner ahead of their turn: at a time, and in all.
const (
	fetchesAtATime = 8
	fetchesAhead   = 32
)

// admission holds what package queue decides on, and carries its decisions out.
type admission struct {
	now   func() time.Time
	quota func(owner uint32) Quota

	mu       sync.Mutex
	capacity map[string]int64
	held     map[string]queue.Holder
	waiting  map[string]*waiter
	verdicts map[string]queue.Verdict
	// paused is true while records are read: nothing is decided before all are known.
	paused bool
	// timer wakes when an earliest start comes.
	timer *time.Timer
	// last is the newest sequence that was given.
	last int64
}

// waiter is a session in the queue.
type waiter struct {
	entry queue.Entry
	// fetch is closed when it may fetch, granted when the slots are its own, and cancelled when it can never start.
	fetch, granted, cancelled chan struct{}
	// told is what its owner was told last.
	told string
}

func newAdmission(now func() time.Time, quota func(uint32) Quota) *admission {
	if quota == nil {
		quota = func(uint32) Quota { return Quota{} }
	}
	return &admission{
		now: now, quota: quota, capacity: map[string]int64{}, held: map[string]queue.Holder{},
		waiting: map[string]*waiter{}, verdicts: map[string]queue.Verdict{},
	}
}

// next is a sequence for one that arrives.
func (a *admission) next() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	return a.last
}

// pause stops deciding until resume.
func (a *admission) pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = true
}

func (a *admission) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = false
	a.decideLocked()
}

// enter puts a session that has no slots into the queue.
func (a *admission) enter(rec session.Record, kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = max(a.last, rec.Queue.Sequence)
	e := entryOf(rec)
	e.Kept = kept
	a.waiting[rec.ID] = &waiter{
		entry: e, fetch: make(chan struct{}), granted: make(chan struct{}), cancelled: make(chan struct{}),
	}
	a.decideLocked()
}

// hold counts slots that a session has already, after a restart: even if they are more than there is.
func (a *admission) hold(rec session.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = max(a.last, rec.Queue.Sequence)
	delete(a.waiting, rec.ID)
	a.held[rec.ID] = holderOf(rec, a.now())
	a.decideLocked()
}

// release gives slots back, or a place in the queue; it is safe twice.
func (a *admission) release(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, id)
	delete(a.waiting, id)
	a.decideLocked()
}

// outcome tells those that depend on a session how it ended.
func (a *admission) outcome(id string, o queue.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.waiting {
		for i := range w.entry.After {
			if w.entry.After[i].ID == id && w.entry.After[i].Outcome == queue.Living {
				w.entry.After[i].Outcome = o
			}
		}
	}
	a.decideLocked()
}

// dependents are those in the queue that wait for a session, or have waited for it.
func (a *admission) dependents(id string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, w := range a.waiting {
		for _, dep := range w.entry.After {
			if dep.ID == id {
				list = append(list, w.entry.ID)
				break
			}
		}
	}
	return list
}

// errUnmet is the cause of the end of a session that depended on one which did not end well.
var errUnmet = errs.New(errs.Canceled, "what it depends on did not end well") //nolint:gochecknoglobals // a sentinel

// awaitFetch waits until a session may begin to fetch: its time has come, what it depends on has ended, and not too
// many fetch before it. One that is not in the queue need not wait.
func (a *admission) awaitFetch(ctx context.Context, id string, tell func(why string)) error {
	w := a.waiter(id)
	if w == nil {
		return nil
	}
	a.tellWhy(w, tell)
	select {
	case <-w.fetch:
		return nil
	case <-w.cancelled:
		return errUnmet
	case <-ctx.Done():
		a.release(id)
		return context.Cause(ctx)
	}
}

// acquire waits for the slots of a session that has fetched all. When ctx ends first it holds nothing. If
// it has to wait, tell is called with what for.
func (a *admission) acquire(ctx context.Context, id string, capacity map[string]int64, tell func(why string)) error {
	a.mu.Lock()
	w := a.waiting[id]
	a.capacity = capacity
	if w != nil {
		w.entry.Phase = queue.Staged
	}
	a.decideLocked()
	a.mu.Unlock()
	if w == nil {
		return nil
	}
	a.tellWhy(w, tell)
	select {
	case <-w.granted:
		return nil
	case <-w.cancelled:
		return errUnmet
	case <-ctx.Done():
		a.release(id)
		return context.Cause(ctx)
	}
}

func (a *admission) waiter(id string) *waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting[id]
}

// tellWhy tells what a session waits for, if it waits, and if that is new.
func (a *admission) tellWhy(w *waiter, tell func(string)) {
	a.mu.Lock()
	v := a.verdicts[w.entry.ID]
	why := v.Text(a.now())
	if why == w.told || a.waiting[w.entry.ID] != w {
		why = ""
	} else {
		w.told = why
	}
	a.mu.Unlock()
	if why != "" {
		tell(why)
	}
}

// decideLocked asks package queue, and does what it says.
func (a *admission) decideLocked() {
	if a.paused {
		return
	}
	if len(a.waiting) == 0 {
		clear(a.verdicts)
		return
	}
	s := queue.State{
		Now: a.now(), Capacity: a.capacity, Ahead: fetchesAhead, Fetches: fetchesAtATime,
		Holders: make([]queue.Holder, 0, len(a.held)), Waiting: make([]queue.Entry, 0, len(a.waiting)),
		Quota: func(owner uint32) queue.Quota {
			q := a.quota(owner)
			return queue.Quota{Sessions: q.Sessions, Slots: q.Slots}
		},
	}
	for _, h := range a.held {
		s.Holders = append(s.Holders, h)
	}
	for _, w := range a.waiting {
		s.Waiting = append(s.Waiting, w.entry)
	}
	a.carryOut(s, queue.Decide(s))
}

func (a *admission) carryOut(s queue.State, d queue.Decision) {
	for _, id := range d.Start {
		w := a.waiting[id]
		delete(a.waiting, id)
		a.held[id] = holding(w.entry, s.Now)
		close(w.granted)
	}
	for _, id := range d.Fetch {
		w := a.waiting[id]
		w.entry.Phase = queue.Fetching
		close(w.fetch)
		if v, ok := d.Verdicts[id]; ok && v.Kind == queue.ForFetch {
			v.Fetching = true
			d.Verdicts[id] = v
		}
	}
	for _, id := range d.Cancel {
		w := a.waiting[id]
		delete(a.waiting, id)
		close(w.cancelled)
	}
	a.verdicts = d.Verdicts
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if !d.Next.IsZero() {
		a.timer = time.AfterFunc(max(d.Next.Sub(s.Now), time.Millisecond), a.resume)
	}
}

// close stops what would go on by itself.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paused = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// why says in words what a session waits for, "" if it does not, and its place in the line, 0 if it has none.
func (a *admission) why(id string) (text string, position int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.verdicts[id]
	return v.Text(a.now()), v.Position
}

// holds reports whether a session has its slots.
func (a *admission) holds(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.held[id]
	return ok
}

// pending is how many of an owner's sessions are in the queue.
func (a *admission) pending(owner uint32) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, w := range a.waiting {
		if w.entry.Owner == owner {
			n++
		}
	}
	return n
}

// depths is how many wait for what.
func (a *admission) depths() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	depths := map[string]int{}
	for _, kind := range queue.Kinds() {
		depths[string(kind)] = 0
	}
	for _, v := range a.verdicts {
		depths[string(v.Kind)]++
	}
	return depths
}

// entryOf is a session as the queue sees it.
func entryOf(rec session.Record) queue.Entry {
	q := rec.Queue
	e := queue.Entry{
		ID: rec.ID, Owner: rec.Owner, Priority: q.Priority, Sequence: q.Sequence, Demand: plan.Demand(rec.Plan.Limits),
		Limit: longest(rec.Plan),
	}
	if q.Sequence == 0 {
		// An older agentd wrote the record: those come first, by their time.
		e.Priority, e.Sequence = session.DefaultPriority, rec.Created.UnixNano()-1<<62
	}
	if q.StartsAt != nil {
		e.NotBefore = *q.StartsAt
	}
	if q.Array != nil {
		e.Array, e.Parallel = q.Array.ID, q.Array.Parallel
	}
	for _, dep := range q.After {
		e.After = append(e.After, queue.Dependency{ID: dep.ID, Any: dep.Any, Outcome: queue.Outcome(dep.Outcome)})
	}
	return e
}

// holding is an entry that has got its slots.
func holding(e queue.Entry, at time.Time) queue.Holder {
	h := queue.Holder{ID: e.ID, Owner: e.Owner, Array: e.Array, Demand: e.Demand}
	if e.Limit > 0 {
		h.Until = at.Add(e.Limit)
	}
	return h
}

// holderOf is a session that has its slots, by its record.
func holderOf(rec session.Record, now time.Time) queue.Holder {
	return holding(entryOf(rec), begun(rec, now))
}

// begun is when a session got its slots.
func begun(rec session.Record, now time.Time) time.Time {
	for _, t := range slices.Backward(rec.History) {
		if t.Status == session.Creating {
			return t.Time
		}
	}
	return now
}

// longest is how long a session holds its slots at most; 0 if nobody knows. Its limit counts from the begin of a batch
// job's startup, and from the start of the container for an interactive one.
func longest(p plan.Plan) time.Duration {
	if p.Steps.Timeout == 0 {
		return 0
	}
	d := p.Steps.Timeout + p.Steps.StopGrace + forceAfter
	if p.Type == session.Batch && p.Steps.Bootstrap != "" {
		d += p.Steps.BootstrapTimeout
	}
	return d
}

// outcomeOf is what those that depend on a session are told.
func outcomeOf(rec session.Record) queue.Outcome {
	switch {
	case !rec.Status.Final():
		return queue.Living
	case rec.Status == session.Terminated && rec.Result == session.Success:
		return queue.Succeeded
	}
	return queue.Failed
}
