package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"agentd/internal/plan"
)

func cores(n int64) []plan.Amount { return []plan.Amount{{Slot: "cpu", Amount: n * 1e9}} }

func TestLedger_FirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.resize(map[string]int64{"cpu": 2e9})
		var order []string
		take := func(id string, n int64) {
			go func() {
				if err := l.acquire(t.Context(), id, cores(n), func(string) {}); err == nil {
					order = append(order, id)
				}
			}()
			synctest.Wait()
		}
		take("a", 1)
		take("b", 2)
		take("c", 1)
		if got := fmt.Sprint(order); got != "[a]" {
			t.Fatalf("granted %s, want a only: c must not overtake b", got)
		}
		if got, want := l.why("b"), "needs 2 cpu, 1 free"; got != want {
			t.Errorf("b waits because %q, want %q", got, want)
		}
		if got, want := l.why("c"), "waits behind 1 in the queue"; got != want {
			t.Errorf("c waits because %q, want %q", got, want)
		}
		l.release("a")
		synctest.Wait()
		l.release("b")
		synctest.Wait()
		if got := fmt.Sprint(order); got != "[a b c]" {
			t.Errorf("granted %s, want a, b, c", got)
		}
		if l.why("c") != "" {
			t.Errorf("c is said to wait, and runs")
		}
	})
}

func TestLedger_LeavingTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.resize(map[string]int64{"cpu": 2e9})
		l.hold("a", cores(1))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		var got error
		go func() { got = l.acquire(ctx, "big", cores(2), func(string) {}) }()
		synctest.Wait()
		granted := false
		go func() { granted = l.acquire(t.Context(), "small", cores(1), func(string) {}) == nil }()
		synctest.Wait()
		cancel(cause)
		synctest.Wait()
		if !errors.Is(got, cause) || !granted {
			t.Errorf("the head left with %v; the one behind it was granted: %v", got, granted)
		}
	})
}

// Random arrivals, grants, departures and ends: never more is held than there is, and nobody waits for nothing.
func TestLedger_NeverOvercommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		l := newLedger()
		l.resize(map[string]int64{"cpu": 8e9})
		cancels := map[string]context.CancelFunc{}
		for i := range 2000 {
			id := fmt.Sprint(i)
			ctx, cancel := context.WithCancel(t.Context())
			cancels[id] = cancel
			go l.acquire(ctx, id, cores(random.Int64N(8)+1), func(string) {}) //nolint:errcheck // cancelled below
			for id, cancel := range cancels {
				if random.IntN(4) == 0 {
					cancel()
					synctest.Wait()
					l.release(id)
					delete(cancels, id)
				}
			}
			synctest.Wait()
			l.mu.Lock()
			sum := int64(0)
			for _, held := range l.held {
				sum += held[0].Amount
			}
			if sum > 8e9 {
				t.Fatalf("step %d: %d held of 8e9", i, sum)
			}
			if len(l.queue) > 0 && len(l.missingLocked(l.queue[0].demand)) == 0 {
				t.Fatalf("step %d: the head waits, and there is room for it", i)
			}
			l.mu.Unlock()
		}
		for id, cancel := range cancels {
			cancel()
			synctest.Wait()
			l.release(id)
		}
	})
}

// holds reports whether a session has slots.
func (l *ledger) holds(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.held[id]
	return ok
}
