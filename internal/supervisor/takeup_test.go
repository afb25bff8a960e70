package supervisor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Every state that a kill can leave of a launch: what is on record, and what the engine has.
func TestTakeUp_EveryPointOfALaunch(t *testing.T) {
	t.Parallel()
	type engine string
	const none, created, started, foreign engine = "none", "created", "started", "foreign"
	for _, c := range []struct {
		name   string
		status session.Status
		intent string
		// id says that the container's id is on record, boot that its start was intended.
		id, boot bool
		engine   engine
		// again is true if the launch has to be done again with a new container.
		again bool
		want  session.Status
	}{
		{"accepted", session.Pending, "", false, false, none, true, session.Running},
		{"preparing", session.Preparing, "", false, false, none, true, session.Running},
		{"pulling", session.Pulling, "", false, false, none, true, session.Running},
		{"binding", session.Preparing, "bind the sources of the mounts", false, false, none, true, session.Running},
		{"prepared", session.Prepared, "", false, false, none, true, session.Running},
		{"slots given", session.Creating, "", false, false, none, true, session.Running},
		{"create not sent", session.Creating, "create the container", false, false, none, true, session.Running},
		{"create not recorded", session.Creating, "create the container", false, false, created, true, session.Running},
		{"create recorded", session.Creating, "", true, false, created, true, session.Running},
		{"start not sent", session.Creating, launch.IntentStart, true, true, created, false, session.Running},
		{"start not recorded", session.Creating, launch.IntentStart, true, true, started, false, session.Running},
		{"start recorded", session.Creating, "", true, true, started, false, session.Running},
		{"started, and the record is an older one", session.Preparing, "", false, false, started, false, session.Running},
		{"started, and the record is the oldest one", session.Pending, "", false, false, started, false, session.Running},
		{"somebody else's container of that name", session.Creating, "create the container", false, false, foreign, false,
			session.Error},
		{"gone after its start", session.Running, "", true, true, none, false, session.Terminated},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMachine()
				first := m.supervisor()
				rec := launchNamed(t, first, plan.Overrides{})
				first.Close()
				name := layout.ContainerName(rec.ID)
				stored, before := m.stored()[rec.ID], m.container(rec.ID)
				stored.History = []session.Transition{{Sequence: 1, Status: c.status}}
				stored.Status, stored.Intent, stored.Staged = c.status, c.intent, session.Staged{}
				if c.id {
					stored.Staged.ContainerID = name
				}
				if c.boot {
					stored.Staged.BootID = "boot"
				}
				m.put(stored)
				switch c.engine {
				case none:
					delete(m.running, name)
				case created:
					before.started = false
				case started:
				case foreign:
					before.nonce = "other"
				}
				second := m.supervisor()
				defer second.Close()
				if _, err := second.Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got, _, err := second.Find(alice(), rec.ID)
				if err != nil || got.Status != c.want {
					t.Fatalf("it is %s (%+v, %v), want %s", got.Status, got.Failure, err, c.want)
				}
				after := m.container(rec.ID)
				if c.want == session.Running && (after == nil || !after.started || (after != before) != c.again) {
					t.Errorf("the container is %+v, the same: %v; want a new one: %v", after, after == before, c.again)
				}
				if c.engine == foreign && after != before {
					t.Error("somebody else's container was touched")
				}
				if got.Status == session.Running && !got.Begun() {
					t.Errorf("it runs, and its record does not say that it was started: %+v", got.Staged)
				}
			})
		})
	}
}

// The engine's silence decides nothing: a launch that may have come to a container waits for it.
func TestTakeUp_WaitsForTheEngine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		first := m.supervisor()
		rec := launchNamed(t, first, plan.Overrides{})
		first.Close()
		stored := m.stored()[rec.ID]
		stored.Status, stored.Intent, stored.Staged.ContainerID = session.Creating, "create the container", ""
		m.put(stored)
		m.set("look", errs.New(errs.Unavailable, "the engine is down"))
		second := m.supervisor()
		defer second.Close()
		if _, err := second.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		wantStatus(t, second, rec.ID, session.Creating, session.Undefined, "")
		m.set("look", nil)
		time.Sleep(lastPause)
		wantStatus(t, second, rec.ID, session.Running, session.Undefined, "")
	})
}

// An engine that answers that it cannot start the container is not waited for.
func TestTakeUp_StartRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		first := m.supervisor()
		rec := launchNamed(t, first, plan.Overrides{})
		first.Close()
		stored := m.stored()[rec.ID]
		stored.Status, stored.Intent = session.Creating, launch.IntentStart
		m.put(stored)
		m.container(rec.ID).started = false
		m.set("start", errs.New(errs.Unavailable, "no such directory"))
		second := m.supervisor()
		defer second.Close()
		if _, err := second.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, second, rec.ID, session.Error, session.Undefined, session.ReasonStep)
	})
}

// A start whose answer was lost is not done twice.
func TestLaunch_LostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		down := errs.New(errs.Unavailable, "it broke off its answer")
		m.set("after start", down)
		m.set("ping", down)
		rec := launchNamed(t, s, plan.Overrides{})
		wantStatus(t, s, rec.ID, session.Creating, session.Undefined, "")
		c := m.container(rec.ID)
		m.set("after start", nil)
		m.set("ping", nil)
		time.Sleep(lastPause)
		wantStatus(t, s, rec.ID, session.Running, session.Undefined, "")
		if m.container(rec.ID) != c {
			t.Error("it was started twice")
		}
	})
}

// A new launch waits for the engine for a while, and then says what is wrong.
func TestLaunch_EngineDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		down := errs.New(errs.Unavailable, "the engine is down")
		m.set("ensure", down)
		m.set("ping", down)
		begin := time.Now()
		rec := launchNamed(t, s, plan.Overrides{})
		<-s.index.byID[rec.ID].ended
		if took := time.Since(begin); took != enginePause {
			t.Errorf("it failed after %s, want %s", took, enginePause)
		}
		wantStatus(t, s, rec.ID, session.Error, session.Undefined, session.ReasonStep)
	})
}

// What cannot be cleaned up now is cleaned up later, and holds its slots until then.
func TestClean_IsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{})
		m.set("remove", errs.New(errs.Unavailable, "the engine is down"))
		m.end(rec.ID, 0)
		wantStatus(t, s, rec.ID, session.Terminated, session.Success, session.ReasonExit)
		if _, err := s.Remove(t.Context(), alice(), rec.ID); !errs.Is(err, errs.Conflict) {
			t.Errorf("rm of what is not cleaned up: %v", err)
		}
		if !s.admission.holds(rec.ID) {
			t.Error("its slots were given away, although its container may be running")
		}
		m.set("remove", nil)
		time.Sleep(longPause)
		synctest.Wait()
		if got, _, err := s.Find(alice(), rec.ID); err != nil || !got.Cleaned || s.admission.holds(rec.ID) {
			t.Errorf("cleaned %v (%v), holds slots: %v", got.Cleaned, err, s.admission.holds(rec.ID))
		}
	})
}

// The end is when it ended, not when agentd came to know of it; results that were taken in before are not doubled.
func TestRestore_TheEndIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		rec := launchNamed(t, s, plan.Overrides{Type: session.Batch, Bootstrap: new("true")})
		c := m.container(rec.ID)
		boot := StepResult{Step: "bootstrap", Ended: true, Begin: time.Now(), End: time.Now()}
		c.steps <- boot
		c.steps <- StepResult{Step: "startup"}
		wantStatus(t, s, rec.ID, session.Running, session.Undefined, "")
		s.Close()
		at := time.Now().Add(time.Minute)
		c.exit <- Exit{Code: new(7), At: at, Steps: []StepResult{boot, {Step: "startup"}}}
		time.Sleep(time.Hour)
		second := m.supervisor()
		defer second.Close()
		if _, err := second.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, second, rec.ID, session.Terminated, session.Failure, session.ReasonExit)
		got, _, _ := second.Find(alice(), rec.ID) //nolint:errcheck // found just before
		if got.Ended == nil || !got.Ended.Equal(at) || *got.ExitCode != 7 {
			t.Errorf("it ended at %v with %v, want %v with 7", got.Ended, got.ExitCode, at)
		}
		boots := slices.DeleteFunc(slices.Clone(got.Timings), func(t session.Timing) bool { return t.Step != "bootstrap" })
		if len(boots) != 1 {
			t.Errorf("the bootstrap is in the record %d times", len(boots))
		}
	})
}
