package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/supervisor"
)

// What hangs is named, is not asked a second time meanwhile, and counts as alive again when it has come back.
func TestAlive_SilenceIsNamedAndAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, release := 0, make(chan struct{})
		vitals := []*vital{
			{name: "well", ask: func(context.Context) error { return nil }},
			{name: "the disk", ask: func(context.Context) error { asked++; <-release; return nil }},
		}
		for range 3 {
			if err := alive(t.Context(), vitals, time.Second); err == nil || !strings.Contains(err.Error(), "the disk") {
				t.Errorf("got %v; want the disk named", err)
			}
		}
		synctest.Wait()
		if asked != 1 {
			t.Errorf("asked %d times while it hangs", asked)
		}
		close(release)
		synctest.Wait()
		for range 2 {
			if err := alive(t.Context(), vitals, time.Second); err != nil {
				t.Errorf("after it has come back: %v", err)
			}
		}
	})
}

func TestComesBack_OnlySilenceCounts(t *testing.T) {
	for _, err := range []error{nil, errs.New(errs.NoSpace, "full"), errors.New("input/output error")} {
		if got := comesBack(err); got != nil {
			t.Errorf("%v: %v", err, got)
		}
	}
	for _, err := range []error{errs.New(errs.Timeout, "t"), errs.New(errs.Unavailable, "u")} {
		if comesBack(err) == nil {
			t.Errorf("%v counts as alive", err)
		}
	}
}

// deadDisk is an inventory that hangs, and listens to nobody.
type deadDisk struct{ release chan struct{} }

func (deadDisk) Kind() string                                           { return "file" }
func (deadDisk) Remove(context.Context, supervisor.Belonging) error     { return nil }
func (d deadDisk) List(context.Context) ([]supervisor.Belonging, error) { <-d.release; return nil, nil }

// The reconcile tick of a real supervisor hangs: the watchdog gets no more, until it goes on.
func TestFeed_NotWhileTheReconcileTickHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := deadDisk{make(chan struct{})}
		s := supervisor.New(supervisor.Options{Inventories: []supervisor.Inventory{disk}, Grace: time.Minute})
		defer s.Close()
		d := &daemon{log: slog.New(slog.DiscardHandler)}
		const interval = 30 * time.Second
		var pings atomic.Int64
		go d.feed(t.Context(), interval, []*vital{reconciling(s)}, func() error { pings.Add(1); return nil })
		time.Sleep(time.Minute)
		if n := pings.Load(); n < 8 {
			t.Errorf("fed %d times in a minute; want four times in %s", n, interval)
		}
		go s.Tend(t.Context(), nil)
		time.Sleep(interval)
		before := pings.Load()
		time.Sleep(2 * interval)
		if n := pings.Load(); n != before {
			t.Errorf("fed %d times while the tick hangs", n-before)
		}
		close(disk.release)
		time.Sleep(interval)
		if pings.Load() == before {
			t.Error("not fed after it went on")
		}
	})
}
