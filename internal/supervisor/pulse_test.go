package supervisor

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
)

// wall is an inventory that hangs: as an engine that does not answer does, until nobody waits any more, or as a dead disk.
type wall struct {
	shelf
	deaf    bool
	release chan struct{}
}

func (w *wall) List(ctx context.Context) ([]Belonging, error) {
	over := ctx.Done()
	if w.deaf {
		over = nil
	}
	select {
	case <-over:
		return nil, errs.New(errs.Timeout, "no answer: %w", ctx.Err())
	case <-w.release:
		return w.shelf.List(ctx)
	}
}

func TestOverdue_AHungTickAndNotAHungEngine(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine()
			w := &wall{deaf: deaf, release: make(chan struct{})}
			m.inventories = []Inventory{w}
			s := m.supervisor()
			defer s.Close()
			if err := s.Overdue(); err != nil {
				t.Errorf("before the first round: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go s.Tend(ctx, nil)
			for range 60 {
				time.Sleep(time.Second)
				err := s.Overdue()
				if err != nil && (!deaf || !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "every thing")) {
					t.Fatalf("deaf %v: %v", deaf, err)
				}
			}
			if err := s.Overdue(); deaf && err == nil {
				t.Error("a tick that hangs for a minute counts as one that goes")
			}
			close(w.release)
			// Whatever it does next, it goes its rounds.
			for range 600 {
				time.Sleep(time.Second)
				if err := s.Overdue(); err != nil {
					t.Fatalf("after it has come back: %v", err)
				}
			}
			cancel()
			synctest.Wait()
			time.Sleep(time.Hour)
			if err := s.Overdue(); err != nil {
				t.Errorf("after its end: %v", err)
			}
		})
	}
}
