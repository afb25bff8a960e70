package engine

import (
	"sync"
	"time"
)

// outage knows when the engine last left questions unanswered. The zero value has seen none.
type outage struct {
	mu sync.Mutex
	// from is when it first did not answer, last when it last did not; to, when it first answered again, is zero until then.
	from, last, to time.Time
}

func (o *outage) silence() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.from.IsZero() || !o.to.IsZero() {
		o.from, o.to = now, time.Time{}
	}
	o.last = now
}

func (o *outage) answer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.from.IsZero() && o.to.IsZero() {
		o.to = time.Now()
	}
}

// SilentSince reports whether the engine left a question unanswered after t.
func (e *Engine) SilentSince(t time.Time) bool {
	e.outage.mu.Lock()
	defer e.outage.mu.Unlock()
	return e.outage.last.After(t)
}

// LastOutage is when the engine last did not answer, as agentd saw it: until it answered again, or now. Both are zero if it
// has always answered.
func (e *Engine) LastOutage() (from, to time.Time) {
	e.outage.mu.Lock()
	defer e.outage.mu.Unlock()
	from, to = e.outage.from, e.outage.to
	if !from.IsZero() && to.IsZero() {
		to = time.Now()
	}
	return from, to
}
