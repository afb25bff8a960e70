package server

import (
	"context"
	"time"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/session"
)

type planIn struct{ Body api.LaunchRequest }

type planOut struct{ Body plan.Resolved }

func (x sessionRoutes) plan(ctx context.Context, caller identity.Caller, in *planIn) (*planOut, error) {
	resolved, err := x.Planner.Plan(ctx, caller, in.Body)
	return &planOut{resolved}, err
}

type launchIn struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"a launch sent twice with one key is one launch"`
	Body api.LaunchRequest
}

// launch accepts a session and tells how it comes up. The client's leaving ends the telling, not the session.
func (x sessionRoutes) launch(
	ctx context.Context, caller identity.Caller, in *launchIn,
) (func(context.Context, *sink) error, error) {
	done, err := x.Launcher.Launch(ctx, caller, in.Body, in.Key)
	if err != nil {
		return nil, err
	}
	about(ctx, done.Record)
	return func(ctx context.Context, out *sink) error {
		l := launching{x: x, caller: caller, id: done.Record.ID, created: done.Created, seen: done.Sequence}
		l.array = done.Array
		if in.Body.EnqueueOnly || len(done.Array) > 0 {
			return l.finish(out)
		}
		if limit := in.Body.MaxWait; limit > 0 {
			enough := time.NewTimer(time.Duration(limit) * time.Second)
			defer enough.Stop()
			l.enough = enough.C
		}
		if err := l.tell(ctx, out); err != nil || ctx.Err() != nil {
			return err
		}
		return l.finish(out)
	}, nil
}

// launching is the telling of one launch.
type launching struct {
	x       sessionRoutes
	caller  identity.Caller
	id      string
	created bool
	array   []session.Record
	// seen is the number of the last event that was told.
	seen int64
	// enough is when the client no longer wants to wait; nil for never.
	enough <-chan time.Time
}

// tell sends the session's events until the launch is settled, the client has waited enough, or ctx ends.
func (l *launching) tell(ctx context.Context, out *sink) error {
	// Whoever is given a session that was there before, or comes back, may have missed the event that settled it.
	for missed := !l.created; ; missed = true {
		old, events, cancel := l.x.Events.Listen(l.caller, false, l.id, l.seen)
		over, err := l.hear(ctx, out, old, events, missed)
		cancel()
		if over || err != nil {
			return err
		}
	}
}

// hear tells what one listening hears; over is false if it fell behind.
func (l *launching) hear(
	ctx context.Context, out *sink, old []api.Event, events <-chan api.Event, missed bool,
) (over bool, err error) {
	if missed {
		rec, _, err := l.x.Finder.Find(l.caller, l.id)
		if err != nil || settled(rec.Status) {
			return true, err
		}
	}
	for {
		var e api.Event
		if len(old) > 0 {
			e, old = old[0], old[1:]
		} else {
			var open bool
			select {
			case e, open = <-events:
				if !open {
					return false, nil
				}
			case <-l.enough:
				return true, nil
			case <-ctx.Done():
				return true, nil
			}
		}
		l.seen = e.Sequence
		if err := out.event(e); err != nil {
			return true, err
		}
		if e.Kind == api.EventStatus && settled(e.Status) {
			return true, nil
		}
	}
}

// finish sends the session as it is now.
func (l *launching) finish(out *sink) error {
	rec, waiting, err := l.x.Finder.Find(l.caller, l.id)
	if err != nil {
		return err
	}
	e := sessionEvent(l.x.view(rec, waiting), l.created)
	for _, rec := range l.array {
		e.Array = append(e.Array, l.x.view(rec, ""))
	}
	return out.event(e)
}

func sessionEvent(view api.Session, created bool) api.Event {
	return api.Event{
		Time: time.Now().UTC(), Kind: api.EventSession, SessionID: view.ID, Name: view.Name, OwnerUID: view.OwnerUID,
		Status: view.Status, Created: created, Session: &view,
	}
}
