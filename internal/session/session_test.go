package session_test

import (
	"slices"
	"testing"
	"time"

	"agentd/internal/errs"
	"agentd/internal/session"
)

func TestStatus_Transitions(t *testing.T) {
	t.Parallel()
	// The table retyped: what may follow what, and nothing else.
	want := map[session.Status][]session.Status{
		session.Pending:     {session.Preparing, session.Cancelled, session.Error},
		session.Preparing:   {session.Pulling, session.Prepared, session.Error, session.Cancelled},
		session.Pulling:     {session.Prepared, session.Error, session.Cancelled},
		session.Prepared:    {session.Creating, session.Error, session.Cancelled},
		session.Creating:    {session.Running, session.Terminating, session.Error, session.Cancelled},
		session.Running:     {session.Terminating, session.Terminated},
		session.Terminating: {session.Terminated, session.Error, session.Cancelled, session.Pending},
		session.Terminated:  nil, session.Error: nil, session.Cancelled: nil,
	}
	for _, from := range session.Statuses() {
		if from.Final() != (len(want[from]) == 0) {
			t.Errorf("%s.Final() = %v", from, from.Final())
		}
		for _, to := range session.Statuses() {
			if got := from.May(to); got != slices.Contains(want[from], to) {
				t.Errorf("%s.May(%s) = %v", from, to, got)
			}
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, s := range session.Statuses() {
		if got, err := session.ParseStatus(string(s)); err != nil || got != s {
			t.Errorf("ParseStatus(%q) = %q, %v", s, got, err)
		}
	}
	if _, err := session.ParseStatus("running"); !errs.Is(err, errs.Invalid) {
		t.Errorf("ParseStatus of an unknown one: %v, want code invalid", err)
	}
}

func TestEnter_HistoryOnlyGrows(t *testing.T) {
	t.Parallel()
	var r session.Record
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []session.Status{session.Pending, session.Preparing, session.Prepared, session.Creating} {
		if err := r.Enter(s, at, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Enter(session.Pending, at, "", ""); err == nil || r.Status != session.Creating || len(r.History) != 4 {
		t.Errorf("a forbidden transition: error %v, status %s, %d lines", err, r.Status, len(r.History))
	}
	if err := r.Enter(session.Error, at, session.ReasonStep, "no luck"); err != nil {
		t.Fatal(err)
	}
	if r.Ended == nil || !r.Ended.Equal(at) || r.Result != session.Undefined {
		t.Errorf("ended at %v with result %q, want %v and undefined", r.Ended, r.Result, at)
	}
	for i, line := range r.History {
		if line.Sequence != i+1 {
			t.Errorf("line %d has sequence %d", i, line.Sequence)
		}
	}
}
