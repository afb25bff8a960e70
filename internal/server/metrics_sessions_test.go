package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/session"
)

func TestMetrics_OfSessions(t *testing.T) {
	h := newHarness(t)
	h.sessions.tell(api.Event{Kind: api.EventStep, Step: "image", State: "end", Took: 2 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		h.Measure(ctx)
		close(done)
	}()
	for h.sessions.listening() == 0 {
		time.Sleep(time.Millisecond)
	}
	h.sessions.tell(api.Event{Kind: api.EventStep, Step: "checkout", State: "failed"})
	for _, s := range []session.Status{session.Running, session.Error, session.Cancelled, session.Terminated} {
		h.sessions.tell(api.Event{Kind: api.EventStatus, Status: s, Reason: "oom"})
	}
	want := []string{
		`agentd_step_duration_seconds_sum{step="image"} 2`, `agentd_step_failures_total{step="checkout"} 1`,
		`agentd_launches_total{outcome="running"} 1`, `agentd_launches_total{outcome="error"} 1`,
		`agentd_launches_total{outcome="cancelled"} 1`, `agentd_sessions_ended_total{reason="oom"} 1`,
		`agentd_sessions{status="RUNNING"} 0`, `agentd_session_memory_bytes{id="s0",name="one"} 4096`,
		`agentd_session_cpu_seconds_total{id="s0",name="one"} 1.5`,
	}
	lacks := func() (missing []string) {
		text := bodyOf(t, h.do(t, "GET", "/metrics", ""))
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				missing = append(missing, line)
			}
		}
		return missing
	}
	// The events reach the counters beside the requests.
	for deadline := time.Now().Add(10 * time.Second); len(lacks()) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if missing := lacks(); len(missing) > 0 {
		t.Errorf("/metrics lacks %q", missing)
	}
	cancel()
	<-done
}
