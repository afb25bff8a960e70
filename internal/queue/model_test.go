package queue_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"agentd/internal/plan"
	"agentd/internal/queue"
)

// modelSteps is how many things happen in the model.
const modelSteps = 100_000

// model is a machine, two users and what they ask for; all of it can be rebuilt from what a record would hold.
type model struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	waiting []queue.Entry
	holders []queue.Holder
	// ends are when holders really end; limits, what their entries promised.
	ends map[string]time.Time
	// promised is the latest start that a head was told; before, who was the head then.
	promised map[string]time.Time
	before   string
	made     int64
	started  int
	capacity map[string]int64
}

func (m *model) quota(owner uint32) queue.Quota {
	if owner == 1 {
		return queue.Quota{Sessions: 5, Slots: map[string]int64{"cpu": 6e9}}
	}
	return queue.Quota{Sessions: 6}
}

func (m *model) state() queue.State {
	return queue.State{
		Now: m.now, Capacity: m.capacity, Holders: m.holders, Waiting: m.waiting, Quota: m.quota, Ahead: 6, Fetches: 3,
	}
}

// arrive adds an entry, or an array of them.
func (m *model) arrive() {
	e := queue.Entry{
		Owner: uint32(m.rng.IntN(2) + 1), Priority: 10, Demand: cores(int64(m.rng.IntN(6) + 1)),
	}
	if m.rng.IntN(4) == 0 {
		e.Priority = m.rng.IntN(101)
	}
	if m.rng.IntN(5) == 0 {
		e.Demand = append(e.Demand, plan.Amount{Slot: "gpu", Amount: int64(m.rng.IntN(2) + 1)})
	}
	if m.rng.IntN(10) > 0 {
		e.Limit = time.Duration(m.rng.IntN(50)+1) * time.Minute
	}
	if m.rng.IntN(6) == 0 {
		e.NotBefore = m.now.Add(time.Duration(m.rng.IntN(90)) * time.Minute)
	}
	count := 1
	if m.rng.IntN(8) == 0 {
		count, e.Array, e.Parallel = m.rng.IntN(6)+1, fmt.Sprint("array", m.made), m.rng.IntN(3)
	}
	if len(m.waiting) > 0 && m.rng.IntN(5) == 0 {
		on := m.waiting[m.rng.IntN(len(m.waiting))].ID
		e.After = []queue.Dependency{{ID: on, Any: m.rng.IntN(2) == 0}}
	}
	for range count {
		m.made++
		e.ID, e.Sequence = fmt.Sprintf("s%06d", m.made), m.made
		e.After = slices.Clone(e.After)
		m.waiting = append(m.waiting, e)
	}
}

// outcome tells those that depend on a session.
func (m *model) outcome(id string, o queue.Outcome) {
	for i := range m.waiting {
		for j := range m.waiting[i].After {
			if m.waiting[i].After[j].ID == id {
				m.waiting[i].After[j].Outcome = o
			}
		}
	}
}

// leave takes an entry out of the queue.
func (m *model) leave(id string) queue.Entry {
	i := slices.IndexFunc(m.waiting, func(e queue.Entry) bool { return e.ID == id })
	e := m.waiting[i]
	m.waiting = slices.Delete(m.waiting, i, i+1)
	delete(m.promised, id)
	return e
}

// end ends what is over by now.
func (m *model) end() {
	for i := 0; i < len(m.holders); {
		h := m.holders[i]
		if m.ends[h.ID].After(m.now) {
			i++
			continue
		}
		m.holders = slices.Delete(m.holders, i, i+1)
		o := queue.Succeeded
		if m.rng.IntN(4) == 0 {
			o = queue.Failed
		}
		m.outcome(h.ID, o)
	}
}

// crash rebuilds all from what is on disk, in the order in which a directory is read. What was fetched is asked for again.
func (m *model) crash() {
	raw, err := json.Marshal(m.waiting)
	if err != nil {
		m.t.Fatal(err)
	}
	m.waiting = nil
	if err := json.Unmarshal(raw, &m.waiting); err != nil {
		m.t.Fatal(err)
	}
	for i := range m.waiting {
		m.waiting[i].Phase = queue.Accepted
	}
	m.shuffle()
	clear(m.promised)
}

func (m *model) shuffle() {
	m.rng.Shuffle(len(m.waiting), func(i, j int) { m.waiting[i], m.waiting[j] = m.waiting[j], m.waiting[i] })
	m.rng.Shuffle(len(m.holders), func(i, j int) { m.holders[i], m.holders[j] = m.holders[j], m.holders[i] })
}

// step lets one thing happen, decides, and does what was decided.
func (m *model) step(arrivals bool) {
	switch n := m.rng.IntN(20); {
	case n < 6 && arrivals && len(m.waiting) < 40:
		m.arrive()
	case n < 7 && len(m.waiting) > 0:
		m.outcome(m.leave(m.waiting[m.rng.IntN(len(m.waiting))].ID).ID, queue.Failed)
	case n < 8:
		m.crash()
	case n < 14:
		for i := range m.waiting {
			if m.waiting[i].Phase == queue.Fetching && m.rng.IntN(2) == 0 {
				m.waiting[i].Phase = queue.Staged
			}
		}
	default:
		m.now = m.now.Add(time.Duration(m.rng.IntN(10)) * time.Minute)
		m.end()
	}
	m.decide()
}

func (m *model) decide() {
	s := m.state()
	d := queue.Decide(s)
	m.shuffle()
	if again := queue.Decide(m.state()); !reflect.DeepEqual(d, again) {
		m.t.Fatalf("the same state in another order: %+v and %+v", d, again)
	}
	m.check(s, d)
	for _, id := range d.Fetch {
		i := slices.IndexFunc(m.waiting, func(e queue.Entry) bool { return e.ID == id })
		m.waiting[i].Phase = queue.Fetching
	}
	for _, id := range d.Start {
		m.start(m.leave(id))
	}
	for _, id := range d.Cancel {
		m.leave(id)
		m.outcome(id, queue.Failed)
	}
	m.bounds()
}

// start gives an entry its slots; it ends when it likes, but not after its limit.
func (m *model) start(e queue.Entry) {
	for _, dep := range e.After {
		if dep.Outcome == queue.Living || !dep.Any && dep.Outcome != queue.Succeeded {
			m.t.Fatalf("%s started although %s is %q", e.ID, dep.ID, dep.Outcome)
		}
	}
	if e.Phase != queue.Staged || e.NotBefore.After(m.now) {
		m.t.Fatalf("%+v started at %v", e, m.now)
	}
	h := queue.Holder{ID: e.ID, Owner: e.Owner, Array: e.Array, Demand: e.Demand}
	ran := time.Duration(m.rng.IntN(40)+1) * time.Minute
	if e.Limit > 0 {
		h.Until, ran = m.now.Add(e.Limit), min(ran, e.Limit)
	}
	m.ends[e.ID] = m.now.Add(ran)
	m.holders = append(m.holders, h)
	m.started++
}

// bounds is the first promise: nothing is given twice, of the machine, of a quota, of an array.
func (m *model) bounds() {
	used, byUser := map[string]int64{}, map[uint32]map[string]int64{1: {}, 2: {}}
	arrays := map[string]int{}
	for _, h := range m.holders {
		byUser[h.Owner]["sessions"]++
		arrays[h.Array]++
		for _, a := range h.Demand {
			used[a.Slot] += a.Amount
			byUser[h.Owner][a.Slot] += a.Amount
		}
	}
	for slot, amount := range used {
		if amount > m.capacity[slot] {
			m.t.Fatalf("%d of %s are given, and there are %d", amount, slot, m.capacity[slot])
		}
	}
	if byUser[1]["sessions"] > 5 || byUser[1]["cpu"] > 6e9 || byUser[2]["sessions"] > 6 {
		m.t.Fatalf("a quota is exceeded: %v", byUser)
	}
	for _, e := range m.waiting {
		if e.Parallel > 0 && arrays[e.Array] > e.Parallel {
			m.t.Fatalf("%d of %s run at a time, %d may", arrays[e.Array], e.Array, e.Parallel)
		}
	}
}
