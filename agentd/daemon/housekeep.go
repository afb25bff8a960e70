package daemon

import (
	"context"
	"time"
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
