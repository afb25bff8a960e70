package crash_test

import (
	"context"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/session"
	"agentd/internal/testenv"
	"agentd/internal/testenv/dockerd"
)

// ownEngine is an engine that a test may end and start again.
func ownEngine(t *testing.T) *dockerd.Engine {
	t.Helper()
	testenv.Root(t)
	testenv.Tool(t, "dockerd")
	testenv.Tool(t, "docker")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := dockerd.Start(ctx)
	must(t, err)
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// enqueue launches without waiting, and returns the session's id.
func (w *world) enqueue(name string, o plan.Overrides) string {
	w.t.Helper()
	o.Name = name
	stream, err := w.client.Launch(w.t.Context(), api.LaunchRequest{Template: "crash-job", Overrides: o, EnqueueOnly: true}, "")
	must(w.t, err)
	defer stream.Close()
	for {
		e, err := stream.Next()
		must(w.t, err)
		if e.Session != nil {
			return e.Session.ID
		}
	}
}

// until waits until the session is as it should be.
func (w *world) until(id string, limit time.Duration, what string, is func(api.SessionInfo) bool) api.SessionInfo {
	w.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		s, err := w.client.Session(w.t.Context(), id)
		must(w.t, err)
		if is(s) {
			return s
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %s session %s is %s (%+v, %v), want %s", limit, s.Name, s.Status, s.Failure, s.History, what)
		}
	}
}

func runs(s api.SessionInfo) bool  { return s.Status == session.Running }
func ended(s api.SessionInfo) bool { return s.Status.Final() }

// stays is a session that goes on until it is ended.
func stays() plan.Overrides {
	return plan.Overrides{Type: session.Interactive, Startup: new("sleep 3600")}
}

func reason(s api.SessionInfo) string { return s.History[len(s.History)-1].Reason }

// Each way in which the engine fails under living sessions, with what has to become of them. agentd is not restarted.
func TestEngine_FaultsUnderLivingSessions(t *testing.T) {
	t.Parallel()
	e := ownEngine(t)
	w := newWorld(t, e.Host())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	pid := w.cmd.Process.Pid
	for _, c := range []struct {
		name  string
		live  bool
		fault func(t *testing.T)
		// reason is that of the end of the session that stays; empty if it goes on.
		reason string
	}{
		{"restart with live-restore", true, func(t *testing.T) { must(t, e.EndDaemon(true)) }, ""},
		{"kill with live-restore", true, func(t *testing.T) { must(t, e.EndDaemon(false)) }, ""},
		{"restart without live-restore", false, func(t *testing.T) { must(t, e.EndDaemon(true)) }, session.ReasonEngine},
		{"kill without live-restore", false, func(t *testing.T) { must(t, e.EndDaemon(false)) }, session.ReasonEngine},
		{"unclean end of all", false, func(t *testing.T) {
			must(t, e.EndDaemon(false))
			must(t, e.LoseContainers(ctx))
		}, session.ReasonLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			must(t, e.LiveRestore(c.live))
			must(t, e.EndDaemon(true))
			must(t, e.StartDaemon(ctx))
			stayed := w.enqueue("stays", stays())
			w.until(stayed, 30*time.Second, "RUNNING", runs)
			short := w.enqueue("short", plan.Overrides{Startup: script("2", 3)})
			w.until(short, 30*time.Second, "RUNNING", runs)
			c.fault(t)
			// A launch meanwhile waits.
			waiting := w.enqueue("waiting", plan.Overrides{Startup: script("0", 5)})
			time.Sleep(3 * time.Second)
			must(t, e.StartDaemon(ctx))
			s := w.until(waiting, time.Minute, "an end", ended)
			if s.ExitCode == nil || *s.ExitCode != 5 {
				t.Errorf("the launch that came meanwhile is %s: %+v %v", s.Status, s.Failure, s.History)
			}
			s = w.until(short, time.Minute, "an end", ended)
			t.Logf("the one that ended meanwhile: %s, %s, %v", s.Result, reason(s), exitOf(s))
			if c.live && (s.ExitCode == nil || *s.ExitCode != 3) {
				t.Errorf("it ended with 3 while the engine was away, and is said to have ended with %v", exitOf(s))
			}
			if s.Result == session.Success {
				t.Error("a false success")
			}
			if c.reason == "" {
				s = w.until(stayed, time.Second, "RUNNING", runs)
				_, err := w.client.Terminate(ctx, stayed, false)
				must(t, err)
			}
			s = w.until(stayed, time.Minute, "an end", ended)
			if c.reason != "" && reason(s) != c.reason {
				t.Errorf("it is said to have ended of %s (%v), want %s: %v", reason(s), exitOf(s), c.reason, s.History)
			}
			t.Logf("the one that stayed: %s, %s, %v", s.Result, reason(s), exitOf(s))
		})
	}
	w.t = t
	if w.cmd.Process.Pid != pid {
		t.Error("agentd was restarted")
	}
}

func exitOf(s api.SessionInfo) any {
	if s.ExitCode == nil {
		return "no exit code"
	}
	return *s.ExitCode
}

// An engine that hangs: what runs goes on, an end that was asked for is done when it answers again, a launch waits.
func TestEngine_Hangs(t *testing.T) {
	t.Parallel()
	e := ownEngine(t)
	w := newWorld(t, e.Host())
	first := w.enqueue("first", stays())
	w.until(first, 30*time.Second, "RUNNING", runs)
	second := w.enqueue("second", stays())
	w.until(second, 30*time.Second, "RUNNING", runs)
	must(t, e.Pause(true))
	began := time.Now()
	_, err := w.client.Terminate(t.Context(), second, false)
	must(t, err)
	waiting := w.enqueue("waiting", plan.Overrides{Startup: script("0", 5)})
	time.Sleep(15 * time.Second)
	list, err := w.client.Sessions(t.Context(), api.SessionQuery{})
	if err != nil || len(list) != 3 {
		t.Errorf("while the engine hangs, %d sessions are listed (%v), want 3", len(list), err)
	}
	must(t, e.Pause(false))
	s := w.until(waiting, time.Minute, "an end", ended)
	if s.ExitCode == nil || *s.ExitCode != 5 {
		t.Errorf("the launch that waited is %s: %+v", s.Status, s.Failure)
	}
	s = w.until(second, time.Minute, "an end", ended)
	if reason(s) != session.ReasonUser {
		t.Errorf("the one that was ended is %s, %s", s.Status, reason(s))
	}
	w.until(first, time.Second, "RUNNING", runs)
	t.Logf("after a hang of 15 s: done after %s", time.Since(began).Round(time.Second))
}
