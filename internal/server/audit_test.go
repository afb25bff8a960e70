package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/server"
)

// fakeAudit keeps what it is given.
type fakeAudit struct {
	mu      sync.Mutex
	entries []api.AuditEntry
	// left are the entries that might be left out.
	left []string
	*fake
}

func (f *fakeAudit) Record(_ context.Context, e api.AuditEntry, mayLeaveOut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, e)
	if mayLeaveOut {
		f.left = append(f.left, e.Action)
	}
}

func (f *fakeAudit) Entries(c identity.Caller, q api.AuditQuery, _ time.Time) ([]api.AuditEntry, error) {
	f.note(c, q.UID, "audit all=%v session=%q template=%q limit=%d", q.AllUsers, q.Session, q.Template, q.Limit)
	return nil, f.err
}

// take returns what was recorded since the last time.
func (f *fakeAudit) take() []api.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.entries
	f.entries = nil
	return got
}

func TestAudit_RecordsChangesRefusalsAndWhatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	owner := written().Template.OwnerUID
	tpl := written().Template
	done := func(action string) api.AuditEntry {
		return api.AuditEntry{
			UID: 7, PID: 99, Action: action, Outcome: api.OutcomeDone, Owner: &owner, Template: tpl.ID, TemplateName: tpl.Name,
		}
	}
	for _, c := range []struct {
		name, method, path, body string
		err                      error
		want                     func() *api.AuditEntry
	}{
		{"a change", "DELETE", "/v1/templates/x", "", nil, func() *api.AuditEntry {
			e := done("delete-template")
			e.Ref = "x"
			return &e
		}},
		{"a change that is refused", "DELETE", "/v1/templates/x", "", errs.New(errs.Conflict, "no\nsecond line"), func() *api.AuditEntry {
			return &api.AuditEntry{UID: 7, PID: 99, Action: "delete-template", Outcome: api.OutcomeRefused, Code: "conflict", Reason: "no", Ref: "x"}
		}},
		{"a change that fails inside", "DELETE", "/v1/templates/x", "", errs.New(errs.Internal, "the password is hunter2"), func() *api.AuditEntry {
			return &api.AuditEntry{UID: 7, PID: 99, Action: "delete-template", Outcome: api.OutcomeFailed, Code: "internal", Reason: "internal error", Ref: "x"}
		}},
		{"a change that does not parse", "POST", "/v1/templates/x/rollback", "{", nil, func() *api.AuditEntry {
			return &api.AuditEntry{UID: 7, PID: 99, Action: "rollback-template", Outcome: api.OutcomeRefused, Code: "invalid", Reason: "the request is not valid", Ref: "x"}
		}},
		{"one's own reading", "GET", "/v1/vfolders/x", "", nil, nil},
		{"a reading that is refused", "GET", "/v1/sessions/x", "", errs.New(errs.NotFound, "none"), func() *api.AuditEntry {
			return &api.AuditEntry{UID: 7, PID: 99, Action: "get-session", Outcome: api.OutcomeRefused, Code: "not_found", Reason: "none", Ref: "x"}
		}},
		{"a list that is refused", "GET", "/v1/sessions?all_users=true", "", nil, func() *api.AuditEntry {
			return &api.AuditEntry{
				UID: 7, PID: 99, Action: "list-sessions", Outcome: api.OutcomeRefused, Code: "forbidden",
				Reason: "list everybody's sessions: only administrators may",
			}
		}},
		{"a reading that is not valid", "GET", "/v1/sessions?limit=x", "", nil, nil},
		{"a plan", "POST", "/v1/sessions/-/plan", `{"template": "x"}`, nil, nil},
		{"no route", "GET", "/v1/nothing", "", nil, nil},
	} {
		h.fake.err, h.sessions.err = c.err, c.err
		kind := "application/json"
		h.do(t, c.method, c.path, c.body, "Content-Type", kind)
		var want []api.AuditEntry
		if c.want != nil {
			want = append(want, *c.want())
		}
		got := h.audit.take()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(api.AuditEntry{}, "Time", "Request"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	h.fake.err = nil
	h.do(t, http.MethodGet, "/v1/templates", "", "Origin", "https://evil.example")
	if got := h.audit.take(); len(got) != 1 || got[0].Action != "request" || got[0].Code != "forbidden" {
		t.Errorf("of a web page's request: %+v", got)
	}
	if diff := cmp.Diff([]string{"get-session", "list-sessions", "request"}, h.audit.left); diff != "" {
		t.Errorf("what may be left out if it is repeated (-want +got):\n%s", diff)
	}
}

// The record comes before the answer: who has that knows that his deed is on record.
func TestAudit_IsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var seen []string
	h.Server = newHarness(t, func(o *server.Options) {
		o.Audit = before{func(e api.AuditEntry) { seen = append(seen, e.Action) }}
	}).Server
	w := &firstByte{header: http.Header{}, first: func() { seen = append(seen, "answer") }}
	r, err := http.NewRequestWithContext(identity.With(t.Context(), identity.Caller{UID: 7}), "DELETE", "http://agentd/v1/templates/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	h.Handler().ServeHTTP(w, r)
	if got := strings.Join(seen, " "); got != "delete-template answer" {
		t.Errorf("in this order: %s", got)
	}
}

type before struct{ f func(api.AuditEntry) }

func (b before) Record(_ context.Context, e api.AuditEntry, _ bool) { b.f(e) }

func (b before) Entries(identity.Caller, api.AuditQuery, time.Time) ([]api.AuditEntry, error) {
	return nil, nil
}

// firstByte says when an answer begins.
type firstByte struct {
	header http.Header
	first  func()
	said   bool
}

func (f *firstByte) Header() http.Header { return f.header }

func (f *firstByte) WriteHeader(int) {
	if !f.said {
		f.said = true
		f.first()
	}
}

func (f *firstByte) Write(b []byte) (int, error) {
	f.WriteHeader(200)
	return len(b), nil
}
