package daemon

import (
	"context"
	"log/slog"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/session"
)

// narrate logs what becomes of every session, with its fields, and has the status line told anew.
func (d *daemon) narrate(ctx context.Context) {
	all := identity.Caller{Admin: true}
	seen := int64(0)
	for ctx.Err() == nil {
		old, events, cancel := d.sessions.supervisor.Listen(all, true, "", seen)
		for _, e := range old {
			d.narrateOne(ctx, e)
			seen = e.Sequence
		}
		seen = d.follow(ctx, events, seen)
		cancel()
	}
}

// follow narrates until ctx ends, or until it has fallen behind and must listen anew from the event after seen.
func (d *daemon) follow(ctx context.Context, events <-chan api.Event, seen int64) int64 {
	for {
		select {
		case <-ctx.Done():
			return seen
		case e, ok := <-events:
			if !ok {
				return seen
			}
			d.narrateOne(ctx, e)
			seen = e.Sequence
		}
	}
}

func (d *daemon) narrateOne(ctx context.Context, e api.Event) {
	if e.Kind != api.EventStatus && e.Kind != api.EventStep {
		return
	}
	attrs := []slog.Attr{
		slog.String("session", e.SessionID), slog.String("name", e.Name), slog.Uint64("owner", uint64(e.OwnerUID)),
	}
	if rec, _, err := d.sessions.supervisor.Find(identity.Caller{Admin: true}, e.SessionID); err == nil {
		attrs = append(attrs, slog.String("template", rec.Plan.Template.ID))
	}
	level, text := narration(e)
	if e.Step != "" {
		attrs = append(attrs, slog.String("step", e.Step))
	}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", e.Reason))
	}
	if e.Message != "" {
		attrs = append(attrs, slog.String("detail", e.Message))
	}
	d.log.LogAttrs(ctx, level, text, attrs...)
	if e.Kind == api.EventStatus {
		d.change()
	}
}

// narration is an event in words, and how much it matters to who keeps the machine.
func narration(e api.Event) (slog.Level, string) {
	switch {
	case e.Kind == api.EventStatus && e.Status == session.Error:
		return slog.LevelWarn, "session failed"
	case e.Kind == api.EventStatus:
		return slog.LevelInfo, "session is " + string(e.Status)
	case e.State == launch.StateFailed:
		return slog.LevelWarn, "step failed"
	case e.State == launch.StateEnd:
		return slog.LevelInfo, "step done"
	}
	return slog.LevelDebug, "step begins"
}
