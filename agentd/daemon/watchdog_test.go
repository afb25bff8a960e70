package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
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
