package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// queued launches a batch session of one core, of two that there are.
func queued(t *testing.T, s *Supervisor, name string, q Queueing, o plan.Overrides) Accepted {
	t.Helper()
	o.Type, o.Name = session.Batch, name
	got, err := s.Launch(t.Context(), alice(), Request{Template: "t", Overrides: o, Queue: q})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return got
}

func status(t *testing.T, s *Supervisor, want string, refs ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, ref := range refs {
		rec, _, err := s.Find(alice(), ref)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.Status))
	}
	if strings.Join(got, " ") != want {
		t.Fatalf("%v are %v, want %s", refs, got, want)
	}
}

func TestQueue_AFailureCancelsAllThatDependOnIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		first := queued(t, s, "first", Queueing{}, plan.Overrides{}).Record
		queued(t, s, "second", Queueing{Depends: []string{"first"}}, plan.Overrides{})
		queued(t, s, "third", Queueing{Depends: []string{"second"}}, plan.Overrides{})
		queued(t, s, "either", Queueing{DependsAny: []string{first.ID}}, plan.Overrides{})
		status(t, s, "CREATING PENDING PENDING PENDING", "first", "second", "third", "either")
		m.end(first.ID, 4)
		status(t, s, "TERMINATED CANCELLED CANCELLED CREATING", "first", "second", "third", "either")
		wantStatus(t, s, "third", session.Cancelled, session.Undefined, session.ReasonDependency)
		if _, err := s.Launch(t.Context(), alice(), Request{
			Template: "t", Queue: Queueing{Depends: []string{"nobody"}},
		}); !errs.Is(err, errs.NotFound) {
			t.Errorf("depends on nobody: %v, want code not_found", err)
		}
	})
}

func TestQueue_WhatWasRemovedHasStillEndedAsItDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		done := queued(t, s, "done", Queueing{}, plan.Overrides{}).Record
		other := queued(t, s, "other", Queueing{}, plan.Overrides{}).Record
		queued(t, s, "after", Queueing{Depends: []string{"done", "other"}}, plan.Overrides{})
		m.end(done.ID, 0)
		synctest.Wait()
		if _, err := s.Remove(t.Context(), alice(), done.ID); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = m.supervisor()
		defer s.Close()
		if _, err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		status(t, s, "CREATING PENDING", "other", "after")
		m.end(other.ID, 0)
		status(t, s, "TERMINATED CREATING", "other", "after")
	})
}

func TestQueue_ArrayIsOneLaunch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		list := queued(t, s, "sweep", Queueing{Array: &ArrayRange{First: 1, Last: 4, Parallel: 1}}, plan.Overrides{}).Array
		if len(list) != 4 || list[3].Plan.Name != "sweep-4" || list[0].Nonce == list[1].Nonce {
			t.Fatalf("made %+v", list)
		}
		queued(t, s, "after", Queueing{Depends: []string{"sweep"}}, plan.Overrides{})
		// All see two cores; one of the array runs at a time.
		for i, rec := range list {
			for j, other := range list {
				got, _, err := s.Find(alice(), other.ID)
				if want := j == i; err != nil || (got.Status == session.Creating) != want {
					t.Fatalf("when %d has its turn, %d is %s", i, j, got.Status)
				}
			}
			status(t, s, "PENDING", "after")
			m.end(rec.ID, 0)
			synctest.Wait()
		}
		status(t, s, "CREATING", "after")
		m.set("save", errs.New(errs.NoSpace, "full"))
		_, err := s.Launch(t.Context(), alice(), Request{
			Template: "t", Queue: Queueing{Array: &ArrayRange{First: 1, Last: 3}},
		})
		m.set("save", nil)
		if !errs.Is(err, errs.NoSpace) || len(m.stored()) != 5 {
			t.Errorf("an array that could not be written: %v, and %d records", err, len(m.stored()))
		}
	})
}

func TestQueue_TriedAgainAfterItsCausesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		rec := queued(t, s, "flaky", Queueing{}, plan.Overrides{Retry: &plan.Retry{Max: 2, On: []string{"7"}}}).Record
		for try := range 2 {
			m.end(rec.ID, 7)
			status(t, s, "CREATING", "flaky")
			got, _, err := s.Find(alice(), rec.ID)
			if err != nil || got.Queue.Retry.Done != try+1 || got.Queue.Retry.Due || got.ExitCode != nil {
				t.Fatalf("after try %d: %+v (%v)", try, got.Queue.Retry, err)
			}
		}
		m.end(rec.ID, 7)
		wantStatus(t, s, "flaky", session.Terminated, session.Failure, session.ReasonExit)
		other := queued(t, s, "other", Queueing{}, plan.Overrides{Retry: &plan.Retry{Max: 2, On: []string{"oom"}}}).Record
		m.end(other.ID, 7)
		wantStatus(t, s, "other", session.Terminated, session.Failure, session.ReasonExit)
	})
}

func TestQueue_AKillBetweenTwoTriesLosesNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		rec := queued(t, s, "flaky", Queueing{}, plan.Overrides{Retry: &plan.Retry{Max: 1}}).Record
		m.set("remove", errs.New(errs.Unavailable, "no engine"))
		m.end(rec.ID, 7)
		synctest.Wait()
		s.Close()
		if left := m.stored()[rec.ID]; !left.Due() || left.Status != session.Terminating {
			t.Fatalf("killed before it was undone: %s, due %v", left.Status, left.Due())
		}
		m.set("remove", nil)
		s = m.supervisor()
		defer s.Close()
		if _, err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		status(t, s, "CREATING", "flaky")
		m.end(rec.ID, 0)
		wantStatus(t, s, "flaky", session.Terminated, session.Success, session.ReasonExit)
	})
}

func TestQueue_SurvivesAKillInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		holders := []string{
			queued(t, s, "hold1", Queueing{}, plan.Overrides{}).Record.ID,
			queued(t, s, "hold2", Queueing{}, plan.Overrides{}).Record.ID,
		}
		urgent := 50
		var ids []string
		for i := range 20 {
			q := Queueing{}
			if i == 15 {
				q.Priority = &urgent
			}
			ids = append(ids, queued(t, s, fmt.Sprintf("wait-%d", i), q, plan.Overrides{}).Record.ID)
		}
		place := func(id string) int { return s.Position(id) }
		if place(ids[15]) != 1 || place(ids[0]) != 2 || place(ids[19]) != 20 {
			t.Fatalf("places %d %d %d", place(ids[15]), place(ids[0]), place(ids[19]))
		}
		s.Close()
		s = m.supervisor()
		defer s.Close()
		if _, err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if place(ids[15]) != 1 || place(ids[0]) != 2 || place(ids[19]) != 20 {
			t.Fatalf("after the kill: places %d %d %d", place(ids[15]), place(ids[0]), place(ids[19]))
		}
		m.end(holders[0], 0)
		status(t, s, "CREATING PREPARED", ids[15], ids[0])
	})
}

func TestQueue_QuotaHoldsBackOrRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		bound := Quota{Sessions: 1, Pending: 1}
		s.admission.quota = func(uint32) Quota { return bound }
		queued(t, s, "runs", Queueing{}, plan.Overrides{})
		queued(t, s, "waits", Queueing{}, plan.Overrides{})
		status(t, s, "CREATING PREPARED", "runs", "waits")
		_, err := s.Launch(t.Context(), alice(), Request{Template: "t"})
		if !errs.Is(err, errs.Busy) {
			t.Errorf("beyond the number that may wait: %v, want code busy", err)
		}
		bound = Quota{Slots: map[string]int64{"cpu": 5e8}}
		if _, err := s.Launch(t.Context(), alice(), Request{Template: "t"}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("more than the quota in all: %v, want code forbidden", err)
		}
	})
}

func TestQueue_RemovedSoonAfterItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		ctx := t.Context()
		go s.Tend(ctx, nil)
		rec := queued(t, s, "short", Queueing{Remove: true}, plan.Overrides{}).Record
		m.end(rec.ID, 0)
		status(t, s, "TERMINATED", rec.ID)
		time.Sleep(2 * removeAfter)
		synctest.Wait()
		if _, _, err := s.Find(alice(), rec.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("still there: %v", err)
		}
	})
}
