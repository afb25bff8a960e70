package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/plan"
	"agentd/internal/session"
)

// asks is a record that asks for some cores.
func asks(id string, sequence int64, cpus int64) session.Record {
	return session.Record{
		ID: id, Plan: plan.Plan{Limits: plan.Limits{NanoCPUs: cpus * 1e9}},
		Queue: session.Queue{Sequence: sequence, Priority: session.DefaultPriority},
	}
}

func cpus(n int64) map[string]int64 { return map[string]int64{"cpu": n * 1e9, "mem": 1 << 40} }

// line is an admission whose grants are noted.
type line struct {
	*admission
	mu    sync.Mutex
	order []string
	ends  map[string]error
}

func newLine() *line { return &line{admission: newAdmission(time.Now, nil), ends: map[string]error{}} }

// take asks for the slots of a session, of a machine with two cores, until something comes of it.
func (l *line) take(ctx context.Context, rec session.Record) {
	l.enter(rec, false)
	go func() {
		err := l.awaitFetch(ctx, rec.ID, func(string) {})
		if err == nil {
			err = l.acquire(ctx, rec.ID, cpus(2), func(string) {})
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if err == nil {
			l.order = append(l.order, rec.ID)
		}
		l.ends[rec.ID] = err
	}()
	synctest.Wait()
}

func (l *line) granted(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := fmt.Sprint(l.order); got != want {
		t.Fatalf("granted %s, want %s", got, want)
	}
}

func TestAdmission_FirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.take(t.Context(), asks("a", 1, 1))
		l.take(t.Context(), asks("b", 2, 2))
		l.take(t.Context(), asks("c", 3, 1))
		l.granted(t, "[a]")
		if got, at := l.why("b"); got != "needs 2 cpu, 1 free" || at != 1 {
			t.Errorf("b is at %d and waits because %q", at, got)
		}
		if got, at := l.why("c"); got != "there is room, but it would delay b, which is before it" || at != 2 {
			t.Errorf("c is at %d and waits because %q", at, got)
		}
		l.release("a")
		l.granted(t, "[a b]")
		l.release("b")
		l.granted(t, "[a b c]")
		if got, at := l.why("c"); got != "" || at != 0 {
			t.Errorf("c is said to wait, and runs: %q at %d", got, at)
		}
	})
}

func TestAdmission_LeavingTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.hold(asks("old", 1, 2))
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		l.take(ctx, asks("b", 2, 2))
		l.take(t.Context(), asks("c", 3, 1))
		cancel(gone)
		synctest.Wait()
		if !errors.Is(l.ends["b"], gone) {
			t.Errorf("b ended with %v, want the cause", l.ends["b"])
		}
		l.release("old")
		l.granted(t, "[c]")
		l.release("old")
		l.release("b")
		if l.holds("b") || !l.holds("c") {
			t.Errorf("b holds %v, c holds %v", l.holds("b"), l.holds("c"))
		}
	})
}

func TestAdmission_TheStartTimeComesByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		at := time.Now().Add(time.Hour)
		rec := asks("later", 1, 1)
		rec.Queue.StartsAt = &at
		l.take(t.Context(), rec)
		l.granted(t, "[]")
		time.Sleep(time.Hour - time.Second)
		l.granted(t, "[]")
		time.Sleep(2 * time.Second)
		l.granted(t, "[later]")
	})
}

func TestAdmission_NothingIsDecidedBeforeAllAreKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine()
		l.pause()
		l.take(t.Context(), asks("second", 2, 2))
		first := asks("first", 1, 2)
		l.enter(first, true)
		l.resume()
		// The first one was staged before the restart: nobody overtakes it while it fetches again.
		l.granted(t, "[]")
		go func() {
			if l.acquire(t.Context(), "first", cpus(2), func(string) {}) == nil {
				l.order = append(l.order, "first")
			}
		}()
		l.granted(t, "[first]")
		if n := l.next(); n != 3 {
			t.Errorf("the next sequence is %d, want 3: after all that are known", n)
		}
	})
}
