package supervisor

import (
	"sync"
	"time"

	"agentd/internal/api"
	"agentd/internal/launch"
	"agentd/internal/session"
)

// Bounds of the hub: how many events are kept for those who come back, and how far one listener may fall behind.
const (
	keptEvents     = 4096
	listenerBuffer = 256
)

// hub tells events to whoever listens. It never waits for anybody: who falls behind is cut off and comes back with the
// sequence that he has.
type hub struct {
	now func() time.Time

	mu        sync.Mutex
	sequence  int64
	kept      []api.Event
	listeners map[*listener]struct{}
}

type listener struct {
	events chan api.Event
	wants  func(api.Event) bool
}

func newHub(now func() time.Time) *hub { return &hub{now: now, listeners: map[*listener]struct{}{}} }

// last is the number of the newest event.
func (h *hub) last() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sequence
}

// tell numbers an event and gives it to all who want it.
func (h *hub) tell(rec session.Record, e api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sequence++
	e.Sequence, e.Time = h.sequence, h.now().UTC()
	e.SessionID, e.Name, e.OwnerUID = rec.ID, rec.Plan.Name, rec.Owner
	h.kept = append(h.kept, e)
	if len(h.kept) > keptEvents {
		h.kept = append(h.kept[:0:0], h.kept[keptEvents/4:]...)
	}
	for l := range h.listeners {
		if !l.wants(e) {
			continue
		}
		select {
		case l.events <- e:
		default:
			close(l.events)
			delete(h.listeners, l)
		}
	}
}

// listen returns the events after the sequence after, and from then on all that wants accepts, until cancel is called
// or the listener falls behind: then the channel is closed. With after < 0 there are no old ones.
func (h *hub) listen(after int64, wants func(api.Event) bool) (old []api.Event, events <-chan api.Event, cancel func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if after >= 0 {
		for _, e := range h.kept {
			if e.Sequence > after && wants(e) {
				old = append(old, e)
			}
		}
	}
	l := &listener{events: make(chan api.Event, listenerBuffer), wants: wants}
	h.listeners[l] = struct{}{}
	return old, l.events, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.listeners[l]; ok {
			delete(h.listeners, l)
			close(l.events)
		}
	}
}

func (h *hub) status(rec session.Record, message string) {
	last := rec.History[len(rec.History)-1]
	h.tell(rec, api.Event{Kind: api.EventStatus, Status: rec.Status, Reason: last.Reason, Message: message})
}

func (h *hub) note(rec session.Record, text string) {
	h.tell(rec, api.Event{Kind: api.EventNote, Message: text})
}

// changed tells that something other than the status is new: that it is cleaned up, say.
func (h *hub) changed(rec session.Record) {
	h.tell(rec, api.Event{Kind: api.EventNote, Status: rec.Status, Message: "cleaned up"})
}

func (h *hub) step(rec session.Record, r StepResult) {
	e := api.Event{Kind: api.EventStep, Step: r.Step, State: launch.StateBegin}
	if r.Ended {
		e.State, e.Took = launch.StateEnd, r.End.Sub(r.Begin)
		if r.ExitCode != 0 || r.Error != "" {
			e.State, e.Message = launch.StateFailed, r.Error
		}
	}
	h.tell(rec, e)
}

// fromLaunch turns what a step of the launch tells into events.
func (h *hub) fromLaunch(rec session.Record, told any) {
	switch t := told.(type) {
	case launch.StepEvent:
		e := api.Event{Kind: api.EventStep, Step: t.Step, State: t.State, Took: t.Took}
		if t.Err != nil && t.State == launch.StateFailed {
			e.Message = t.Err.Error()
		}
		h.tell(rec, e)
	case launch.Progress:
		h.tell(rec, api.Event{
			Kind: api.EventProgress, Step: t.Step, Done: t.Done, Total: t.Total, Unit: t.Unit, Message: t.Text,
		})
	case launch.Note:
		h.tell(rec, api.Event{Kind: api.EventNote, Step: t.Step, Message: t.Text})
	}
}
