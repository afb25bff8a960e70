package supervisor

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/session"
)

func TestRetention_FilesThenRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.keep = 24 * time.Hour
		s := m.supervisor()
		rec := launchNamed(t, s, plan.Overrides{})
		m.end(rec.ID, 0)
		synctest.Wait()
		s.Close()
		// The dates outlive a restart.
		s = m.supervisor()
		defer s.Close()
		if _, err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		go s.Tend(t.Context(), nil)
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if m.stored()[rec.ID].FilesRemoved {
			t.Error("the files went before their time")
		}
		m.set("files", errs.New(errs.NoSpace, "full"))
		time.Sleep(2 * time.Hour)
		m.set("files", nil)
		time.Sleep(tryAgainIn)
		synctest.Wait()
		got, _, err := s.Find(alice(), rec.ID)
		if err != nil || !got.FilesRemoved || !m.stored()[rec.ID].FilesRemoved {
			t.Errorf("the files are not removed on record: %v, %v", got.FilesRemoved, err)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if _, _, err := s.Find(alice(), rec.ID); !errs.Is(err, errs.NotFound) || len(m.stored()) != 0 {
			t.Errorf("after its time the session is still there: %v, %d records", err, len(m.stored()))
		}
	})
}

// A record stays as long as its files.
func TestRetention_RecordStaysWithItsFiles(t *testing.T) {
	t.Parallel()
	r := newRetention(time.Hour)
	end := time.Unix(1000, 0)
	rec := session.Record{ID: "s1", Ended: &end}
	rec.Plan.Keep = 5 * time.Hour
	r.add(rec)
	if list, next := r.due(end); len(list) != 0 || next != 5*time.Hour {
		t.Errorf("due now: %v; next in %s, want 5h", list, next)
	}
	list, _ := r.due(end.Add(5 * time.Hour))
	if want := []date{{at: end.Add(5 * time.Hour), id: "s1"}}; !slices.Equal(list, want) {
		t.Errorf("due: %v, want %v", list, want)
	}
}

// What is asked all day looks at living sessions only.
func TestIndex_EndedOnesAreNotLookedAt(t *testing.T) {
	t.Parallel()
	x := newIndex()
	var newest *live
	for i := range 2000 {
		id := fmt.Sprintf("s%010x", i*7919)
		l := &live{id: id, owner: 1001, created: time.Unix(int64((i*37)%2000), 0)}
		if newest == nil || older(newest, l) < 0 {
			newest = l
		}
		rec := session.Record{ID: id, Owner: 1001, Status: session.Terminated, Created: l.created}
		rec.Plan.Name = "same"
		x.add(l, rec)
	}
	l := &live{id: "sffffffffff", owner: 1001, created: time.Unix(5000, 0)}
	rec := session.Record{ID: l.id, Owner: 1001, Status: session.Running, Created: l.created}
	rec.Plan.Name = "same"
	x.add(l, rec)
	if got := x.of(1001, false, false); len(got) != 1 || got[0] != l {
		t.Errorf("the living: %d", len(got))
	}
	if got := len(x.of(1001, false, true)); got != 2001 {
		t.Errorf("all: %d", got)
	}
	if got := x.beginning("sfff"); len(got) != 1 {
		t.Errorf("by prefix: %d", len(got))
	}
	s := &Supervisor{index: x}
	if got, err := s.find(alice(), "same"); err != nil || got != l {
		t.Errorf("by name: %v %v, want the living one", got, err)
	}
	x.ended(l, rec)
	x.remove(l, rec)
	if got, err := s.find(alice(), "same"); err != nil || got != newest {
		t.Errorf("by name: %v %v, want the newest ended one", got, err)
	}
	if _, err := s.find(identity.Caller{UID: 7}, newest.id); !errs.Is(err, errs.NotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	for _, l := range x.of(1001, false, true) {
		rec := session.Record{ID: l.id, Owner: 1001, Status: session.Terminated}
		rec.Plan.Name = "same"
		x.remove(l, rec)
	}
	if len(x.byID)+len(x.byName)+len(x.owners)+len(x.prefixes) != 0 {
		t.Errorf("after all are removed something is left: %+v", x)
	}
}
