package engine

import (
	"context"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// EventKind is what happened to a container.
type EventKind string

// The kinds. Connected is told whenever the stream begins anew: what happened before it was told, or not, so that the
// listener has to look for himself.
const (
	EventConnected EventKind = "connected"
	EventStart     EventKind = "start"
	EventDie       EventKind = "die"
	EventOOM       EventKind = "oom"
	EventDestroy   EventKind = "destroy"
)

// Event is one word of the engine about a container of ours. Events are hints: [Engine.Inspect] tells the truth.
type Event struct {
	Kind EventKind
	// Container is its id; Labels are as they were when it was made.
	Container string
	Labels    Labels
	// Time is by the engine's clock.
	Time time.Time
}

// overlap is how far before the last event a new stream begins: the clock may have been set back meanwhile.
const overlap = 2 * time.Second

// Watch calls handle with each event of the instance's containers, one after the other, until ctx ends. It connects again
// and again; what was told in the last seconds before a break and is told again after it is told once.
func (e *Engine) Watch(ctx context.Context, instance string, handle func(Event)) error {
	w := &watch{engine: e, instance: instance, handle: handle, seen: map[string]time.Time{}}
	pause := firstPause
	for {
		connected, err := w.once(ctx)
		if ctx.Err() != nil {
			return explain(ctx, e.host, "watch events", 0, ctx.Err())
		}
		if client.IsErrConnectionFailed(err) {
			e.forget()
		}
		if connected {
			pause = firstPause
		}
		if !sleep(ctx, pause) {
			return explain(ctx, e.host, "watch events", 0, ctx.Err())
		}
		pause = min(2*pause, lastPause)
	}
}

// watch is what outlives one stream.
type watch struct {
	engine   *Engine
	instance string
	handle   func(Event)
	// last is the time of the newest event.
	last time.Time
	// seen are the events within the overlap.
	seen map[string]time.Time
}

// once listens to one stream until it breaks.
func (w *watch) once(ctx context.Context) (connected bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api, err := w.engine.client(ctx)
	if err != nil {
		return false, err
	}
	options := events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", labelInstance+"="+w.instance),
		filters.Arg("event", string(EventStart)), filters.Arg("event", string(EventDie)),
		filters.Arg("event", string(EventOOM)), filters.Arg("event", string(EventDestroy)),
	)}
	if !w.last.IsZero() {
		since := w.last.Add(-overlap)
		options.Since = strconv.FormatInt(since.Unix(), 10) + "." + pad9(since.Nanosecond())
	}
	// It returns when the answer has begun: what happens from now on is told.
	messages, failed := api.Events(ctx, options)
	select {
	case err := <-failed:
		return false, err
	default:
	}
	w.handle(Event{Kind: EventConnected, Time: w.last})
	for {
		select {
		case m := <-messages:
			w.take(m)
		case err := <-failed:
			return true, err
		}
	}
}

// take passes a message on unless it was told before.
func (w *watch) take(m events.Message) {
	at := time.Unix(0, m.TimeNano)
	key := m.Actor.ID + " " + string(m.Action) + " " + strconv.FormatInt(m.TimeNano, 10)
	if _, told := w.seen[key]; told {
		return
	}
	w.seen[key] = at
	if at.After(w.last) {
		w.last = at
	}
	for old, then := range w.seen {
		if w.last.Sub(then) > 2*overlap {
			delete(w.seen, old)
		}
	}
	w.handle(Event{
		Kind: EventKind(m.Action), Container: m.Actor.ID, Labels: labelsOf(m.Actor.Attributes), Time: at,
	})
}

// pad9 writes nanoseconds as the engine reads them: nine digits.
func pad9(nanoseconds int) string {
	s := strconv.Itoa(nanoseconds)
	for len(s) < 9 {
		s = "0" + s
	}
	return s
}
