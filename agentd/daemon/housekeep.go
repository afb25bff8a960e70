package daemon

import (
	"context"
	"runtime/debug"
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
		// What the start needed, or a large request: half a megabyte of 18 after a start with nothing to load.
		debug.FreeOSMemory()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
