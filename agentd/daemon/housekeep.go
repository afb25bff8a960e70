package daemon

import (
	"context"
	"time"

	"agentd/internal/engine"
)

// housekeepEvery is how often what was deleted long ago is looked for; it is kept for days.
const housekeepEvery = time.Hour

// housekeep purges deleted templates whose time has come.
func (d *daemon) housekeep(ctx context.Context) {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	for {
		d.catalog.PurgeExpired(ctx)
		d.giveBackMemory()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tend removes what is left of sessions when its time has come, and looks for what belongs to none: also whenever the
// engine is there again, which may have lost, or found, something.
func (d *daemon) tend(ctx context.Context) {
	wake := make(chan struct{}, 1)
	go d.sessions.host.Engine.Watch(ctx, d.store.InstanceID(), func(e engine.Event) { //nolint:errcheck // it ends with ctx
		if e.Kind != engine.EventConnected {
			return
		}
		// It may be another one than before.
		d.sessions.host.Forget()
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	d.sessions.supervisor.Tend(ctx, wake)
}
