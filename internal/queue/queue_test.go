package queue_test

import (
	"slices"
	"testing"
	"time"

	"agentd/internal/plan"
	"agentd/internal/queue"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

func cores(n int64) []plan.Amount { return []plan.Amount{{Slot: "cpu", Amount: n * 1e9}} }

func staged(id string, sequence, cpus int64) queue.Entry {
	return queue.Entry{ID: id, Priority: 10, Sequence: sequence, Demand: cores(cpus), Phase: queue.Staged}
}

func holder(id string, cpus int64, until time.Time) queue.Holder {
	return queue.Holder{ID: id, Demand: cores(cpus), Until: until}
}

func state(cpus int64, holders []queue.Holder, waiting ...queue.Entry) queue.State {
	return queue.State{
		Now: noon, Capacity: map[string]int64{"cpu": cpus * 1e9}, Holders: holders, Waiting: waiting, Ahead: 32, Fetches: 8,
	}
}

func starts(t *testing.T, s queue.State, want ...string) queue.Decision {
	t.Helper()
	d := queue.Decide(s)
	if !slices.Equal(d.Start, want) {
		t.Errorf("starts %v, want %v", d.Start, want)
	}
	return d
}

func says(t *testing.T, d queue.Decision, id, want string, position int) {
	t.Helper()
	v := d.Verdicts[id]
	if got := v.Text(noon); got != want || v.Position != position {
		t.Errorf("%s at %d waits because %q; want at %d %q", id, v.Position, got, position, want)
	}
}

func TestDecide_PriorityThenFirstCome(t *testing.T) {
	t.Parallel()
	urgent := staged("c", 3, 1)
	urgent.Priority = 90
	starts(t, state(2, nil, staged("b", 2, 1), staged("a", 1, 1), urgent), "c", "a")
}

func TestDecide_SaysWhatIsMissingAndUntilWhen(t *testing.T) {
	t.Parallel()
	foreign := staged("theirs", 9, 2)
	foreign.Owner = 7
	d := starts(t, state(3, []queue.Holder{holder("s-12", 2, noon.Add(2*time.Hour+5*time.Minute))},
		staged("a", 1, 2), staged("b", 2, 2), staged("c", 3, 1), foreign), "c")
	says(t, d, "a", "needs 2 cpu, 1 free; s-12 ends by 14:05 at the latest", 1)
	says(t, d, "b", "needs 2 cpu, 1 free", 2)
	says(t, d, "theirs", "needs 2 cpu, 0 free", 3)
	foreign.Sequence = 0
	d = starts(t, state(3, []queue.Holder{holder("s-12", 2, noon.Add(36*time.Hour))}, foreign))
	says(t, d, "theirs", "needs 2 cpu, 1 free; another user's session ends by 2026-05-06 00:00 at the latest", 1)
}

func TestDecide_BackfillNeverDelaysTheHead(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return noon.Add(d) }
	short, long := staged("short", 2, 1), staged("long", 2, 1)
	short.Limit, long.Limit = time.Hour, 3*time.Hour
	head := staged("head", 1, 4)
	// The head starts in two hours at the latest: what is over by then may run, what is not may not.
	until := []queue.Holder{holder("s", 3, in(2*time.Hour))}
	starts(t, state(4, until, head, short), "short")
	d := starts(t, state(4, until, head, long))
	says(t, d, "long", "there is room, but it would delay head, which is before it", 2)
	// Beside a head of three cores of four there is room for one for ever, and not for two.
	smaller := staged("head", 1, 3)
	starts(t, state(4, []queue.Holder{holder("s", 2, in(2*time.Hour))}, smaller, long, staged("late", 3, 1)), "long")
	// Nobody knows when the holder ends: it may be now, so nothing that the head wants is given away.
	starts(t, state(4, []queue.Holder{holder("s", 3, time.Time{})}, head, short))
}

func TestDecide_AnotherSlotIsFreeToTake(t *testing.T) {
	t.Parallel()
	head := staged("head", 1, 1)
	head.Demand = append(head.Demand, plan.Amount{Slot: "cuda.device", Amount: 1})
	s := state(2, []queue.Holder{{ID: "g", Demand: []plan.Amount{{Slot: "cuda.device", Amount: 1}}}},
		head, staged("a", 2, 1), staged("b", 3, 1))
	s.Capacity["cuda.device"] = 1
	d := starts(t, s, "a")
	says(t, d, "head", "needs 1 cuda.device, 0 free", 1)
}

func TestDecide_StartTimeAndDependencies(t *testing.T) {
	t.Parallel()
	later, after, any, never := staged("later", 1, 1), staged("after", 2, 1), staged("any", 3, 1), staged("never", 4, 1)
	later.NotBefore = noon.Add(time.Minute)
	after.After = []queue.Dependency{{ID: "x"}}
	any.After = []queue.Dependency{{ID: "y", Any: true, Outcome: queue.Failed}}
	never.After = []queue.Dependency{{ID: "x"}, {ID: "y", Outcome: queue.Failed}}
	d := starts(t, state(4, nil, later, after, any, never), "any")
	if !slices.Equal(d.Cancel, []string{"never"}) || !d.Next.Equal(later.NotBefore) {
		t.Errorf("cancels %v, next at %v", d.Cancel, d.Next)
	}
	says(t, d, "later", "starts at 2026-05-04 12:01:00 at the earliest", 0)
	says(t, d, "after", "waits for x to end well", 0)
}

func TestDecide_ArraysAndQuotas(t *testing.T) {
	t.Parallel()
	var waiting []queue.Entry
	for i := range int64(3) {
		e := staged(string(rune('a'+i)), i, 1)
		e.Array, e.Parallel, e.Owner = "sweep", 1, 1
		waiting = append(waiting, e)
	}
	other, third := staged("other", 9, 1), staged("third", 10, 1)
	other.Owner, third.Owner = 1, 2
	s := state(9, nil, append(waiting, other, third)...)
	s.Quota = func(owner uint32) queue.Quota {
		if owner == 1 {
			return queue.Quota{Sessions: 1}
		}
		return queue.Quota{Slots: map[string]int64{"cpu": 1e9}}
	}
	d := starts(t, s, "a", "third")
	says(t, d, "b", "1 of its array hold slots, as many as may at a time", 1)
	says(t, d, "other", "needs one more session than the quota of its owner allows to run", 3)
	s.Holders = []queue.Holder{{ID: "t", Owner: 2, Demand: cores(1), Until: noon.Add(time.Hour)}}
	says(t, starts(t, s, "a"), "third", "needs 1 cpu of its owner's quota, 0 free; t ends by 13:00 at the latest", 4)
}

func TestDecide_FetchesInOrderAFewAtATime(t *testing.T) {
	t.Parallel()
	var waiting []queue.Entry
	for i := range int64(20) {
		e := staged(string(rune('a'+i)), i, 1)
		e.Phase = queue.Accepted
		if i < 10 {
			e.Array, e.Parallel = "sweep", 2
		}
		waiting = append(waiting, e)
	}
	waiting[0].Phase = queue.Fetching
	s := state(1, nil, waiting...)
	s.Fetches, s.Ahead = 4, 5
	if got := queue.Decide(s).Fetch; !slices.Equal(got, []string{"b", "k", "l"}) {
		t.Errorf("fetches %v: want the array's second, and then those behind the array", got)
	}
	waiting[0].Phase, waiting[1].Phase = queue.Staged, queue.Staged
	if got := queue.Decide(s).Fetch; !slices.Equal(got, []string{"k", "l", "m"}) {
		t.Errorf("fetches %v: want no more than five ahead", got)
	}
}

func TestDecide_AfterARestartNobodyOvertakesWhileItFetchesAgain(t *testing.T) {
	t.Parallel()
	first := staged("first", 1, 1)
	first.Phase, first.Kept = queue.Fetching, true
	starts(t, state(1, nil, first, staged("second", 2, 1)))
	starts(t, state(2, nil, first, staged("second", 2, 1)), "second")
	first.Kept = false
	starts(t, state(1, nil, first, staged("second", 2, 1)), "second")
}

func TestDecide_WhatTheMachineHasNotIsNotGiven(t *testing.T) {
	t.Parallel()
	s := state(1, nil, staged("a", 1, 1))
	s.Capacity = nil
	says(t, starts(t, s), "a", "needs 1 cpu, 0 free", 1)
}
