package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

// shelf is an inventory that the test fills.
type shelf struct {
	mu   sync.Mutex
	list []Belonging
	err  error
}

func (s *shelf) Kind() string { return "thing" }

func (s *shelf) List(context.Context) ([]Belonging, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list), s.err
}

func (s *shelf) Remove(_ context.Context, b Belonging) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(x Belonging) bool { return x.Name == b.Name })
	return nil
}

func (s *shelf) names() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, b := range s.list {
		list = append(list, b.Name)
	}
	return strings.Join(list, " ")
}

func TestReconcile_RemovesOnlyWhatIsProvenOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, shelf := newMachine(), &shelf{}
		m.inventories = []Inventory{shelf}
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{})
		ended := launchNamed(t, s, plan.Overrides{})
		m.end(ended.ID, 0)
		synctest.Wait()
		shelf.list = []Belonging{
			{Name: "its", Session: rec.ID, Nonce: rec.Nonce, Ours: true},
			{Name: "another-nonce", Session: rec.ID, Nonce: "x"},
			{Name: "files", Session: ended.ID, Kept: true, Ours: true},
			{Name: "late", Session: ended.ID, Nonce: ended.Nonce, Ours: true},
			{Name: "lost", Session: "snone", Nonce: "n", Ours: true},
			{Name: "claims", Session: "snone2", Nonce: "n"},
			{Name: "probe", Ours: true},
		}
		go s.Tend(t.Context(), nil)
		time.Sleep(50 * time.Second)
		if got := len(strings.Fields(shelf.names())); got != 7 {
			t.Errorf("before the grace is over, %d are left", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := shelf.names(), "its another-nonce files claims"; got != want {
			t.Errorf("left are %s, want %s", got, want)
		}
		if s.Trouble() != "" {
			t.Errorf("trouble: %s", s.Trouble())
		}
	})
}

// Most of ours unknown: the records are lost, not the sessions.
func TestReconcile_RefusesWhenMostAreUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, shelf := newMachine(), &shelf{}
		m.inventories = []Inventory{shelf}
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{})
		shelf.list = []Belonging{{Name: "its", Session: rec.ID, Nonce: rec.Nonce, Ours: true}}
		for i := range 3 {
			shelf.list = append(shelf.list, Belonging{Name: fmt.Sprint(i), Session: fmt.Sprint("slost", i), Ours: true})
		}
		go s.Tend(t.Context(), nil)
		time.Sleep(time.Hour)
		if len(strings.Fields(shelf.names())) != 4 || !strings.Contains(s.Trouble(), "thing: 3 of 4 belong to no session") {
			t.Errorf("left are %s; trouble: %q", shelf.names(), s.Trouble())
		}
		if err := s.CheckLeftovers(t.Context()); !errs.Is(err, errs.Damaged) {
			t.Errorf("the check says %v", err)
		}
		// Two are a crash, not a loss.
		shelf.mu.Lock()
		shelf.list = shelf.list[:3]
		shelf.mu.Unlock()
		time.Sleep(time.Hour)
		if got := shelf.names(); got != "its" || s.Trouble() != "" {
			t.Errorf("left are %s; trouble: %q", got, s.Trouble())
		}
	})
}

// The engine's silence decides nothing, also not how long something has been there.
func TestReconcile_SilenceDecidesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, shelf := newMachine(), &shelf{err: errs.New(errs.Unavailable, "down")}
		m.inventories = []Inventory{shelf}
		s := m.supervisor()
		defer s.Close()
		go s.Tend(t.Context(), nil)
		time.Sleep(time.Hour)
		shelf.mu.Lock()
		shelf.err, shelf.list = nil, []Belonging{{Name: "lost", Session: "snone", Ours: true}}
		shelf.mu.Unlock()
		time.Sleep(30 * time.Second)
		if shelf.names() != "lost" {
			t.Error("it was removed before its grace")
		}
		time.Sleep(2 * time.Minute)
		if shelf.names() != "" {
			t.Error("it is still there")
		}
	})
}
