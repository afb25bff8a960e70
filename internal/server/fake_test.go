package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/server"
)

// fake is a catalog that remembers what it was asked and gives one answer to all.
type fake struct {
	err error
	// panics, if set, is thrown instead of an answer.
	panics any

	mu    sync.Mutex
	calls []string
}

func (f *fake) note(caller identity.Caller, owner *uint32, format string, args ...any) {
	if f.panics != nil {
		panic(f.panics)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	whose := "own"
	if owner != nil {
		whose = fmt.Sprint(*owner)
	}
	f.calls = append(f.calls, fmt.Sprintf("uid %d owner %s: ", caller.UID, whose)+fmt.Sprintf(format, args...))
}

func sample() api.Template {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return api.Template{
		ID: "bcdf2345", Name: "one", OwnerUID: 7, Revision: 3, CreatedAt: at, UpdatedAt: at, Type: "batch",
		Image: "python:3.9", Architecture: "x86_64",
	}
}

func written() api.Written { return api.Written{Action: api.ActionUpdated, Template: sample()} }

func (f *fake) List(_ context.Context, c identity.Caller, q api.ListQuery) (api.TemplateList, error) {
	f.note(c, q.Owner, "list all=%t deleted=%t after=%q limit=%d", q.AllUsers, q.Deleted, q.After, q.Limit)
	return api.TemplateList{Templates: []api.Template{sample()}, Next: "n"}, f.err
}

func (f *fake) Get(_ context.Context, c identity.Caller, owner *uint32, ref string) (api.Template, error) {
	f.note(c, owner, "get %q", ref)
	return sample(), f.err
}

func (f *fake) Text(
	_ context.Context, c identity.Caller, owner *uint32, ref string, revision int, secrets bool,
) ([]byte, int, error) {
	f.note(c, owner, "text %q revision=%d secrets=%t", ref, revision, secrets)
	return []byte("# mine\nkind: taskTemplate\r\n"), 2, f.err
}

func (f *fake) Create(
	_ context.Context, c identity.Caller, owner *uint32, file string, src []byte,
) (api.WrittenList, error) {
	f.note(c, owner, "create %q %q", file, src)
	return api.WrittenList{Written: []api.Written{written()}}, f.err
}

func (f *fake) Apply(
	_ context.Context, c identity.Caller, owner *uint32, file string, src []byte,
) (api.WrittenList, error) {
	f.note(c, owner, "apply %q %q", file, src)
	return api.WrittenList{Written: []api.Written{written()}}, f.err
}

func (f *fake) Update(
	_ context.Context, c identity.Caller, owner *uint32, ref, file string, src []byte, ifRevision int,
) (api.Written, error) {
	f.note(c, owner, "update %q %q %q if %d", ref, file, src, ifRevision)
	return written(), f.err
}

func (f *fake) History(_ context.Context, c identity.Caller, owner *uint32, ref string) (api.History, error) {
	f.note(c, owner, "history %q", ref)
	return api.History{ID: "bcdf2345", Revisions: []api.Revision{}}, f.err
}

func (f *fake) Rollback(
	_ context.Context, c identity.Caller, owner *uint32, ref string, revision, ifRevision int,
) (api.Written, error) {
	f.note(c, owner, "rollback %q to %d if %d", ref, revision, ifRevision)
	return written(), f.err
}

func (f *fake) Copy(_ context.Context, c identity.Caller, owner *uint32, ref, name string) (api.Written, error) {
	f.note(c, owner, "copy %q to %q", ref, name)
	return written(), f.err
}

func (f *fake) Delete(
	_ context.Context, c identity.Caller, owner *uint32, ref string, ifRevision int, purge bool,
) (api.Written, error) {
	f.note(c, owner, "delete %q if %d purge=%t", ref, ifRevision, purge)
	return written(), f.err
}

func (f *fake) Restore(_ context.Context, c identity.Caller, owner *uint32, ref, name string) (api.Written, error) {
	f.note(c, owner, "restore %q as %q", ref, name)
	return written(), f.err
}

// journal is a log that a test can read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// harness is a server over a fake.
type harness struct {
	*server.Server
	fake     *fake
	sessions *fakeSessions
	log      *journal
	audit    fakeAudit
}

func newHarness(t *testing.T, change ...func(*server.Options)) *harness {
	t.Helper()
	h := &harness{fake: &fake{}, log: &journal{}}
	h.sessions = newFakeSessions(h.fake)
	h.audit.fake = h.fake
	o := server.Options{
		Sessions: h.sessions.options(), VFolders: fakeVFolders{h.fake}, System: fakeSystem{h.fake}, Audit: &h.audit,
		Templates: server.Templates{Reader: h.fake, Writer: h.fake, History: h.fake, Remover: h.fake},
		Count:     func() int { return 42 },
		Store:     func(context.Context) error { return nil },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return identity.With(ctx, identity.Caller{UID: 7})
		},
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&o)
	}
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = s
	return h
}

// do sends a request as uid 7, without a socket; header has names and values in turn.
func (h *harness) do(t *testing.T, method, target, body string, header ...string) *http.Response {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(
		identity.With(t.Context(), identity.Caller{UID: 7, PID: 99}), method, target, reader)
	r.Host = api.Host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// problemOf checks that an answer is a problem in all its parts, and returns it.
func problemOf(t *testing.T, resp *http.Response) api.Problem {
	t.Helper()
	text := bodyOf(t, resp)
	if got := resp.Header.Get("Content-Type"); got != api.ProblemType {
		t.Errorf("content type %q of %s", got, text)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var p api.Problem
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if p.Status != resp.StatusCode {
		t.Errorf("the problem says status %d, the answer %d", p.Status, resp.StatusCode)
	}
	row := api.Lookup(p.Code)
	if row.Code != p.Code || p.Title != row.Title || p.Type != "about:blank#"+string(p.Code) {
		t.Errorf("title or type of %s", text)
	}
	if p.Detail == "" || p.RequestID == "" || p.RequestID != resp.Header.Get(api.RequestIDHeader) {
		t.Errorf("no detail or request id in %s", text)
	}
	return p
}
