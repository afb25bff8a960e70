package server

import (
	"context"
	"strconv"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

// EventsParam says where a stream of events begins and whether it goes on.
type EventsParam struct {
	After       int64  `query:"after" minimum:"-1" default:"0" doc:"sequence to go on from; -1 for those to come only"`
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"what a browser sends in the place of 'after'"`
	Follow      bool   `query:"follow" doc:"also those to come; of one session until it has ended"`
}

func (p EventsParam) after() (int64, error) {
	if p.LastEventID == "" {
		return p.After, nil
	}
	n, err := strconv.ParseInt(p.LastEventID, 10, 64)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "Last-Event-ID: %q is not a sequence number", p.LastEventID)
	}
	return n, nil
}

type sessionEventsIn struct {
	SessionParam
	EventsParam
}

func (x sessionRoutes) sessionEvents(
	ctx context.Context, caller identity.Caller, in *sessionEventsIn,
) (func(context.Context, *sink) error, error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	rec, ended, err := x.Finder.Follow(caller, in.Ref)
	if err != nil {
		return nil, err
	}
	about(ctx, rec)
	l := listening{x: x, caller: caller, id: rec.ID, after: after, follow: in.Follow, ended: ended}
	return l.open()
}

type eventsIn struct {
	EventsParam
	AllUsers bool `query:"all_users" doc:"of everybody's sessions; for administrators only"`
}

func (x sessionRoutes) events(
	_ context.Context, caller identity.Caller, in *eventsIn,
) (func(context.Context, *sink) error, error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	if err := administrator(caller, in.AllUsers, "events"); err != nil {
		return nil, err
	}
	l := listening{x: x, caller: caller, all: in.AllUsers, after: after, follow: in.Follow}
	return l.open()
}

// listening is one client's stream of events.
type listening struct {
	x      sessionRoutes
	caller identity.Caller
	all    bool
	id     string
	after  int64
	follow bool
	// ended is closed when the one session has ended; nil without one.
	ended <-chan struct{}
}

// open listens before the answer begins: who has its first byte misses nothing from there on.
func (l *listening) open() (func(context.Context, *sink) error, error) {
	old, events, cancel := l.listen()
	return func(ctx context.Context, out *sink) error {
		for {
			behind, err := l.tell(ctx, out, old, events)
			cancel()
			if !behind || err != nil {
				return err
			}
			old, events, cancel = l.listen()
		}
	}, nil
}

func (l *listening) listen() (old []api.Event, events <-chan api.Event, cancel func()) {
	return l.x.Events.Listen(l.caller, l.all, l.id, l.after)
}

// tell sends what it hears; behind is true if the client was too slow and has to be given what is kept.
func (l *listening) tell(
	ctx context.Context, out *sink, old []api.Event, events <-chan api.Event,
) (behind bool, err error) {
	for _, e := range old {
		if err := l.send(out, e); err != nil {
			return false, err
		}
	}
	if !l.follow {
		return false, nil
	}
	for {
		select {
		case e, open := <-events:
			if !open {
				return true, nil
			}
			if err := l.send(out, e); err != nil {
				return false, err
			}
		case <-l.ended:
			return l.rest(out, events)
		case <-ctx.Done():
			return false, nil
		}
	}
}

// rest sends what was told before the session's end.
func (l *listening) rest(out *sink, events <-chan api.Event) (behind bool, err error) {
	for {
		select {
		case e, open := <-events:
			if !open {
				return true, nil
			}
			if err := l.send(out, e); err != nil {
				return false, err
			}
		default:
			return false, nil
		}
	}
}

func (l *listening) send(out *sink, e api.Event) error {
	l.after = e.Sequence
	return out.event(e)
}
