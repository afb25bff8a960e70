package supervisor

import (
	"fmt"
	"sync"
	"time"

	"agentd/internal/errs"
)

const (
	// listLimit is how long a reconcile waits for the list of one kind: an engine that hangs is not waited for.
	listLimit = 10 * time.Second
	// lateness is what a step may take beyond its time on a busy machine.
	lateness = 10 * time.Second
)

// pulse knows what the loop of [Supervisor.Tend] does, and until when that must have come back.
type pulse struct {
	mu   sync.Mutex
	what string
	// until is zero while nothing is expected: before the loop, after it, and while something is removed.
	until time.Time
}

// begin says what is done now; a limit of 0 means that it may take as long as it likes.
func (p *pulse) begin(what string, limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.until = what, time.Time{}
	if limit > 0 {
		p.until = time.Now().Add(limit + lateness)
	}
}

// Overdue is nil as long as the reconcile loop goes its rounds. The code is unavailable if a step of it has not come back
// long after its time, or a round has not begun. An engine that does not answer is no reason: nothing waits long for it.
// How long the removal of leftovers takes nobody knows; it is no reason either.
func (s *Supervisor) Overdue() error {
	s.pulse.mu.Lock()
	defer s.pulse.mu.Unlock()
	if late := time.Since(s.pulse.until); !s.pulse.until.IsZero() && late > 0 {
		return errs.New(errs.Unavailable, "%s has not come back, %s after its time",
			s.pulse.what, fmt.Sprint(late.Round(time.Second)+lateness))
	}
	return nil
}
