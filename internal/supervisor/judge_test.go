package supervisor

import (
	"testing"

	"agentd/internal/session"
)

// How a session is said to have ended, by what is known of its container's end.
func TestJudge_WhatNobodySawIsUndefined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		exit            Exit
		asked, timedOut bool
		result          session.Result
		reason          string
	}{
		{"0", Exit{Code: new(0)}, false, false, session.Success, session.ReasonExit},
		{"7", Exit{Code: new(7)}, false, false, session.Failure, session.ReasonExit},
		{"lost", Exit{Lost: true}, false, false, session.Undefined, session.ReasonLost},
		{"no code", Exit{}, false, false, session.Undefined, session.ReasonLost},
		{"machine restarted", Exit{Lost: true, HostRestart: true}, false, false, session.Undefined, session.ReasonHostRestart},
		{"ended by the engine", Exit{Code: new(143), EngineEnded: true}, false, false, session.Undefined, session.ReasonEngine},
		{"ended by the engine, as its user had asked", Exit{Code: new(143), EngineEnded: true}, true, false,
			session.Undefined, session.ReasonUser},
		{"out of memory", Exit{Code: new(137), OOM: true}, false, false, session.Failure, session.ReasonOOM},
		{"out of memory in a child", Exit{Code: new(0), OOM: true}, false, false, session.Success, session.ReasonExit},
		{"asked", Exit{Code: new(143)}, true, false, session.Undefined, session.ReasonUser},
		{"out of time", Exit{Code: new(143)}, false, true, session.Failure, session.ReasonTimeout},
	} {
		got := judge(session.Record{}, c.exit, c.asked, c.timedOut)
		if got.result != c.result || got.reason != c.reason || got.message == "" {
			t.Errorf("%s: %+v, want %s of %s", c.name, got, c.result, c.reason)
		}
	}
}
