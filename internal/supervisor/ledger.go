package supervisor

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"agentd/internal/plan"
)

// ledger counts what live sessions hold of each slot, and never promises more than there is. What does not fit waits,
// first come, first served.
type ledger struct {
	mu       sync.Mutex
	capacity map[string]int64
	held     map[string][]plan.Amount
	queue    []*waiter
}

type waiter struct {
	id     string
	demand []plan.Amount
	// granted is closed when the slots are the waiter's.
	granted chan struct{}
}

func newLedger() *ledger {
	return &ledger{capacity: map[string]int64{}, held: map[string][]plan.Amount{}}
}

// resize says how much there is of each slot.
func (l *ledger) resize(capacity map[string]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.capacity = capacity
	l.grantLocked()
}

// hold counts slots that a session has already, after a restart: even if they are more than there is.
func (l *ledger) hold(id string, demand []plan.Amount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[id] = demand
}

// acquire waits for its turn and for the slots. When ctx ends first it holds nothing.
func (l *ledger) acquire(ctx context.Context, id string, demand []plan.Amount, tell func(why string)) error {
	l.mu.Lock()
	w := &waiter{id: id, demand: demand, granted: make(chan struct{})}
	l.queue = append(l.queue, w)
	l.grantLocked()
	why := l.whyLocked(w)
	l.mu.Unlock()
	if why != "" {
		tell(why)
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		l.leave(w)
		return context.Cause(ctx)
	}
}

// leave takes a waiter out of the queue, or gives back what it was granted a moment ago.
func (l *ledger) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.queue {
		if q == w {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			l.grantLocked()
			return
		}
	}
	delete(l.held, w.id)
	l.grantLocked()
}

// release gives slots back; it is safe twice.
func (l *ledger) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, id)
	l.grantLocked()
}

// grantLocked serves the queue from its head, and stops at the first that does not fit: a small one behind a large one
// waits, so that the large one is served at all.
func (l *ledger) grantLocked() {
	for len(l.queue) > 0 {
		w := l.queue[0]
		if len(l.missingLocked(w.demand)) > 0 {
			return
		}
		l.held[w.id] = w.demand
		l.queue = l.queue[1:]
		close(w.granted)
	}
}

// missingLocked lists the slots of which there is not enough free.
func (l *ledger) missingLocked(demand []plan.Amount) []string {
	var missing []string
	for _, d := range demand {
		free := l.capacity[d.Slot]
		for _, held := range l.held {
			for _, h := range held {
				if h.Slot == d.Slot {
					free -= h.Amount
				}
			}
		}
		if d.Amount > free {
			missing = append(missing, fmt.Sprintf("%s %s, %s free", plan.FormatAmount(d.Slot, d.Amount), d.Slot,
				plan.FormatAmount(d.Slot, max(0, free))))
		}
	}
	return missing
}

func (l *ledger) whyLocked(w *waiter) string {
	for i, q := range l.queue {
		if q != w {
			continue
		}
		if i > 0 {
			return fmt.Sprintf("waits behind %d in the queue", i)
		}
		return "needs " + strings.Join(l.missingLocked(w.demand), "; ")
	}
	return ""
}

// why says in words what a session waits for; "" if it does not wait.
func (l *ledger) why(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.queue {
		if w.id == id {
			return l.whyLocked(w)
		}
	}
	return ""
}
