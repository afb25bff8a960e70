package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// An outage is from the first question without an answer to the first answer after it.
func TestOutage_FromTheFirstSilenceToTheFirstAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{}
		begin := time.Now()
		if from, to := e.LastOutage(); !from.IsZero() || !to.IsZero() || e.SilentSince(time.Time{}) {
			t.Errorf("before any question: %v to %v", from, to)
		}
		e.outage.answer()
		time.Sleep(time.Second)
		e.outage.silence()
		time.Sleep(time.Second)
		e.outage.silence()
		time.Sleep(time.Second)
		if from, to := e.LastOutage(); from.Sub(begin) != time.Second || to.Sub(begin) != 3*time.Second {
			t.Errorf("while it lasts: %v to %v", from.Sub(begin), to.Sub(begin))
		}
		e.outage.answer()
		time.Sleep(time.Second)
		e.outage.answer()
		if from, to := e.LastOutage(); from.Sub(begin) != time.Second || to.Sub(begin) != 3*time.Second {
			t.Errorf("after it: %v to %v", from.Sub(begin), to.Sub(begin))
		}
		if !e.SilentSince(begin.Add(time.Second)) || e.SilentSince(begin.Add(3*time.Second)) {
			t.Error("when it was silent last is not known")
		}
		e.outage.silence()
		if from, _ := e.LastOutage(); from.Sub(begin) != 4*time.Second {
			t.Errorf("the next one begins at %v", from.Sub(begin))
		}
	})
}
