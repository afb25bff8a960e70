package queue_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"agentd/internal/plan"
	"agentd/internal/queue"
)

// The reference is simple: it keeps no reservations, and asks after the fact whether anybody before another was harmed.

// check compares a decision with what the reference finds of the state that it was made on.
func (m *model) check(s queue.State, d queue.Decision) {
	line := slices.Clone(s.Waiting)
	slices.SortFunc(line, func(a, b queue.Entry) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Sequence, b.Sequence),
			cmp.Compare(a.ID, b.ID))
	})
	started := func(id string) bool { return slices.Contains(d.Start, id) }
	for _, e := range line {
		v, waits := d.Verdicts[e.ID]
		if waits == started(e.ID) {
			m.t.Fatalf("%s starts: %v, and waits: %+v", e.ID, started(e.ID), v)
		}
	}
	head := slices.IndexFunc(line, func(e queue.Entry) bool {
		return d.Verdicts[e.ID].Kind == queue.ForSlots
	})
	if head < 0 {
		m.before = ""
		return
	}
	m.headIsServed(s, d, line, head)
}

// headIsServed checks the first in line for the machine: it does not fit beside those before it, nobody behind delays it,
// and what it was promised once is kept as long as it stays the first.
func (m *model) headIsServed(s queue.State, d queue.Decision, line []queue.Entry, head int) {
	h, v := line[head], d.Verdicts[line[head].ID]
	without, with := slices.Clone(s.Holders), slices.Clone(s.Holders)
	for i, e := range line {
		if !slices.Contains(d.Start, e.ID) {
			continue
		}
		x := queue.Holder{ID: e.ID, Demand: e.Demand}
		if e.Limit > 0 {
			x.Until = s.Now.Add(e.Limit)
		}
		with = append(with, x)
		if i < head {
			without = append(without, x)
		}
	}
	if room(s.Capacity, without, h.Demand) {
		m.t.Fatalf("%s is the first in line, fits, and waits: %+v", h.ID, v)
	}
	a, knownA := earliest(s, without, h.Demand)
	b, knownB := earliest(s, with, h.Demand)
	if knownA != knownB || !a.Equal(b) || knownA != !v.At.IsZero() || knownA && !a.Equal(v.At) {
		m.t.Fatalf("%s could start at %v (%v), with those behind it at %v (%v), and was told %v", h.ID, a, knownA, b, knownB,
			v.At)
	}
	if !knownA {
		// Whichever of those that have no limit ends first: nobody behind may make a difference.
		for i, gone := range without {
			if gone.Until.IsZero() && room(s.Capacity, slices.Delete(slices.Clone(without), i, i+1), h.Demand) &&
				!room(s.Capacity, slices.DeleteFunc(slices.Clone(with), func(x queue.Holder) bool { return x.ID == gone.ID }), h.Demand) {
				m.t.Fatalf("%s could start at the end of %s, if nobody behind it had started", h.ID, gone.ID)
			}
		}
	}
	// Only those that come before it, as one of a higher priority does, may take what was promised.
	overtaken := slices.ContainsFunc(line[:head], func(e queue.Entry) bool { return slices.Contains(d.Start, e.ID) })
	was, told := m.promised[h.ID]
	if told && !overtaken && m.before == h.ID && knownA && a.After(later(was, s.Now)) {
		m.t.Fatalf("%s was promised %v, and now %v", h.ID, was, a)
	}
	m.before = h.ID
	delete(m.promised, h.ID)
	if knownA {
		m.promised[h.ID] = a
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// room reports whether a demand fits beside the holders.
func room(capacity map[string]int64, holders []queue.Holder, demand []plan.Amount) bool {
	for _, want := range demand {
		used := want.Amount
		for _, h := range holders {
			for _, a := range h.Demand {
				if a.Slot == want.Slot {
					used += a.Amount
				}
			}
		}
		if used > capacity[want.Slot] {
			return false
		}
	}
	return true
}

// earliest is when a demand fits at the latest, by what the holders have promised.
func earliest(s queue.State, holders []queue.Holder, demand []plan.Amount) (time.Time, bool) {
	times := []time.Time{}
	for _, h := range holders {
		if !h.Until.IsZero() {
			times = append(times, later(h.Until, s.Now))
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		left := slices.DeleteFunc(slices.Clone(holders), func(h queue.Holder) bool {
			return !h.Until.IsZero() && !later(h.Until, s.Now).After(at)
		})
		if room(s.Capacity, left, demand) {
			return at, true
		}
	}
	return time.Time{}, false
}

func TestModel_NoOvercommitNoStarvationOneOrder(t *testing.T) {
	t.Parallel()
	const runs = 20
	seeds := runs
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		m := &model{
			t: t, rng: rand.New(rand.NewPCG(seed, 6)), now: noon, ends: map[string]time.Time{},
			promised: map[string]time.Time{},
			capacity: map[string]int64{"cpu": 8e9, "gpu": 2},
		}
		for range modelSteps / runs {
			m.step(true)
		}
		// Nobody comes any more: whoever is there has to have his turn.
		for range 5000 {
			if len(m.waiting)+len(m.holders) == 0 {
				break
			}
			m.step(false)
		}
		if len(m.waiting) > 0 {
			t.Fatalf("seed %d: %d never had their turn: %+v", seed, len(m.waiting), m.waiting[0])
		}
		if m.started < modelSteps/runs/20 {
			t.Errorf("seed %d: only %d were started: the model tries nothing", seed, m.started)
		}
	}
}

// One session asks for the whole machine while small ones keep coming for as long as it takes.
func TestModel_ALargeOneIsNotStarvedByAStreamOfSmallOnes(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, time.Hour} {
		m := &model{
			t: t, rng: rand.New(rand.NewPCG(1, 1)), now: noon, ends: map[string]time.Time{},
			promised: map[string]time.Time{}, capacity: map[string]int64{"cpu": 4e9},
		}
		for step := range 400 {
			small := staged("", int64(step), 1)
			small.ID, small.Limit, small.Owner = "small"+time.Duration(step).String(), limit, 2
			m.waiting = append(m.waiting, small)
			if step == 50 {
				m.waiting = append(m.waiting, queue.Entry{
					ID: "large", Owner: 2, Priority: 10, Sequence: 50, Demand: cores(4), Limit: limit, Phase: queue.Staged,
				})
			}
			m.now = m.now.Add(5 * time.Minute)
			m.end()
			m.decide()
			if _, runs := m.ends["large"]; runs {
				return
			}
		}
		t.Errorf("limit %s: never started", limit)
	}
}
