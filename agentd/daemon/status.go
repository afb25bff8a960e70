package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"
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

func (s *status) text(templates int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("serving %d templates", templates)
	if templates == 1 {
		text = "serving 1 template"
	}
	if s.note != "" {
		text += "; " + s.note
	}
	return text
}

// tell keeps the status line true.
func (d *daemon) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
		}
		d.say("tell the status", d.notify.Status(d.status.text(d.count())))
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
