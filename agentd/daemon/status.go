package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"agentd/internal/identity"
)

// statusDelay is the least time between two status lines: a thousand creates are not a thousand messages.
const statusDelay = time.Second

// status is what systemctl status shows.
type status struct {
	mu sync.Mutex
	// note is what is to be known about the configuration; empty if all of it is in force.
	note string
}

func (s *status) setNote(note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = note
}

func (s *status) text(templates, sessions int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "serving " + several(templates, "template")
	if sessions > 0 {
		text += " and " + several(sessions, "session")
	}
	if s.note != "" {
		text += "; " + s.note
	}
	return text
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// statusLine is what is true now.
func (d *daemon) statusLine() string {
	living := d.sessions.supervisor.List(identity.Caller{Admin: true}, true, false)
	return d.status.text(d.count(), len(living))
}

// tell keeps the status line true.
func (d *daemon) tell(ctx context.Context) {
	go d.narrate(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
		}
		d.say("tell the status", d.notify.Status(d.statusLine()))
		pause := time.NewTimer(statusDelay)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// count is the number of living templates of all owners.
func (p *parts) count() int { return p.store.Templates().Count() }
