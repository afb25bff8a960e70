package supervisor

import (
	"cmp"
	"context"
	"sync"
	"time"

	"agentd/internal/launch"
	"agentd/internal/session"
)

// live is one session in this process, from its acceptance until its record is removed.
type live struct {
	id      string
	owner   uint32
	created time.Time
	// restored is true if the record comes from an earlier life of agentd.
	restored bool
	attempt  *launch.Attempt
	// stop asks the goroutine that drives the session to end it.
	stop chan struct{}
	// ended is closed when the session has entered its last status.
	ended chan struct{}
	// done is closed when nothing drives the session any more: it has ended and is cleaned, or agentd stops.
	done chan struct{}

	// mu guards what follows.
	mu sync.Mutex
	// cancelUp ends a launch that is under way.
	cancelUp context.CancelCauseFunc
	// asked is closed once stop was asked for; forced when it was asked for with force.
	asked, forced bool
	// pulling is true once the image has begun to come.
	pulling bool
	// blocked says why the last try to clean up failed.
	blocked string
}

// obstacle says what keeps the session from being cleaned up.
func (l *live) obstacle() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.blocked, "it is being done")
}

func (l *live) block(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = err.Error()
}

func (l *live) snapshot() session.Record { return l.attempt.Record() }

// enter moves the session on, makes that durable, and tells everybody.
func (s *Supervisor) enter(l *live, next session.Status, reason, message string) error {
	var moved error
	err := l.attempt.Commit(func(r *session.Record) {
		moved = r.Enter(next, s.o.Now(), reason, message)
	})
	if moved != nil {
		return moved
	}
	rec := l.snapshot()
	s.hub.status(rec, message)
	if next.Final() {
		s.admission.outcome(rec.ID, outcomeOf(rec))
		close(l.ended)
		s.mu.Lock()
		s.index.ended(l, rec)
		s.mu.Unlock()
	}
	return err
}

// pass is [Supervisor.enter] for a status that need not outlive a crash: the launch's next act outside, whose intent is
// made durable first, takes it along; and until then nothing has been done that the record before did not say.
func (s *Supervisor) pass(l *live, next session.Status) error {
	var moved error
	l.attempt.Change(func(r *session.Record) {
		moved = r.Enter(next, s.o.Now(), "", "")
		r.Sequence++
	})
	if moved == nil {
		s.hub.status(l.snapshot(), "")
	}
	return moved
}

// ask notes that the session shall end, and wakes who drives it.
func (l *live) ask(force bool, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked && (l.forced || !force) {
		return
	}
	l.asked, l.forced = true, l.forced || force
	if l.cancelUp != nil {
		l.cancelUp(cause)
	}
	l.wake()
}

// wake lets who drives the session look at what is asked for.
func (l *live) wake() {
	select {
	case l.stop <- struct{}{}:
	default:
		// It has not yet seen the last one, and will look at what is asked for now.
	}
}

func (l *live) wanted() (asked, forced bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked, l.forced
}

// upContext is the context of the launch; a stop that was asked for already ends it at once.
func (l *live) upContext(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelUp = cancel
	if l.asked {
		cancel(errStopped)
	}
	return ctx, cancel
}
