package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// shortDir is a directory whose paths fit into a socket's address, whatever TMPDIR and the test's name are.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "client-") //nolint:usetesting // its paths are too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve answers on a socket of its own with h, and returns a client of it.
func serve(t *testing.T, h http.HandlerFunc, o Options) *Client {
	t.Helper()
	o.Socket, o.Getenv = filepath.Join(shortDir(t), "s"), func(string) string { return "" }
	l, err := net.Listen("unix", o.Socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h} //nolint:gosec // the only client is this test
	go srv.Serve(l)                 // it ends with the test
	t.Cleanup(func() { srv.Close() })
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// reply answers with v as JSON.
func reply(t *testing.T, w http.ResponseWriter, kind string, status int, v any) {
	t.Helper()
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Error(err)
	}
}

func TestProblem_EveryCodeComesBackAsItWasRaised(t *testing.T) {
	t.Parallel()
	for _, row := range api.Codes() {
		if row.Status == 0 {
			continue
		}
		t.Run(string(row.Code), func(t *testing.T) {
			t.Parallel()
			want := &errs.Error{
				Code: row.Code, Message: "update template \"x\": no", Hint: "do this",
				Problems: []errs.Problem{{File: "a", Line: 1, Column: 2, Path: "spec", Rule: "r", Message: "m"}},
			}
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				reply(t, w, api.ProblemType, row.Status, api.Problem{
					Status: row.Status, Code: want.Code, Detail: want.Message, Hint: want.Hint, Problems: want.Problems,
				})
			}, Options{})
			_, err := c.Template(t.Context(), Ref{Name: "x"})
			got, ok := errors.AsType[*errs.Error](err)
			if !ok {
				t.Fatalf("got %T %v, want an *errs.Error", err, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestProblem_InternalLeadsToTheLog(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(t, w, api.ProblemType, 500, api.Problem{Code: errs.Internal, Detail: "internal error", RequestID: "R4711"})
	}, Options{})
	_, err := c.Template(t.Context(), Ref{Name: "x"})
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Hint != "agentd's log has more: journalctl -u agentd -g R4711" {
		t.Errorf("got %#v, want a hint with the request's id", err)
	}
}

func TestAnswer_OfSomethingElseIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a page":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "404 page not found", 404) },
		"a redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"not JSON":       func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"without a code": func(w http.ResponseWriter, _ *http.Request) { reply(t, w, api.ProblemType, 400, api.Problem{}) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "{")
		},
		"a broken answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := serve(t, h, Options{}).Template(t.Context(), Ref{Name: "x"}); !errs.Is(err, errs.Unavailable) {
				t.Errorf("got %v, want code unavailable", err)
			}
		})
	}
}

func TestRequest_SaysWhoAsksAndForWhat(t *testing.T) {
	t.Parallel()
	type seen struct{ Method, URI, Host, Version, IfMatch, Type string }
	var got seen
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = seen{r.Method, r.RequestURI, r.Host, r.Header.Get(api.VersionHeader), r.Header.Get("If-Match"),
			r.Header.Get("Content-Type")}
		reply(t, w, "application/json", 200, api.Written{})
	}, Options{Version: "v1.2.3"})
	uid := uint32(7)
	ref := Ref{Name: "a/b ü?", Owner: &uid}
	if _, err := c.Update(t.Context(), ref, Document{Name: "-", Text: []byte("x")}, 3); err != nil {
		t.Fatal(err)
	}
	want := seen{"PUT", "/v1/templates/a%2Fb%20%C3%BC%3F?file=-&owner=7", api.Host, "v1.2.3", `"3"`, "application/yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTemplate_DotsAreNoName(t *testing.T) {
	t.Parallel()
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a path that HTTP would clean was sent") }, Options{})
	for _, name := range []string{".", ".."} {
		if _, err := c.Template(t.Context(), Ref{Name: name}); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q: got %v, want code not_found", name, err)
		}
	}
}

func TestTemplates_FollowsThePages(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := map[string]api.TemplateList{
			"":   {Templates: []api.Template{{ID: "a"}, {ID: "b"}}, Next: "n1"},
			"n1": {Templates: []api.Template{{ID: "c"}}, Next: "n2"},
			"n2": {},
		}[r.URL.Query().Get("after")]
		reply(t, w, "application/json", 200, page)
	}, Options{})
	all, err := c.Templates(t.Context(), api.ListQuery{})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, tpl := range all {
		got += tpl.ID
	}
	if got != "abc" {
		t.Errorf("got %q, want abc", got)
	}
}

func TestText_IsByteForByte(t *testing.T) {
	t.Parallel()
	want := "a: \"\\xff\"\r\n\xff\x00\n\n"
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"12"`)
		fmt.Fprint(w, want)
	}, Options{})
	text, revision, err := c.Text(t.Context(), Ref{Name: "x"}, 0, false)
	if err != nil || string(text) != want || revision != 12 {
		t.Errorf("got %q, %d, %v; want %q, 12", text, revision, err, want)
	}
}

func TestHealth_IsToldAlsoIfItIsBad(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		reply(t, w, "application/json", 503, api.Health{Status: "degraded"})
	}, Options{})
	if h, err := c.Health(t.Context()); err != nil || h.Status != "degraded" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestVersions_AreComparedOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mine, theirs string
		warnings     int
	}{
		"same major":  {"v1.2.3", "v1.9.0", 0},
		"other major": {"v1.2.3", "v2.0.0 (0123456789ab)", 1},
		"dev here":    {"dev", "v2.0.0", 0},
		"dev there":   {"v1.2.3", "dev (0123456789ab)", 0},
		"nothing":     {"v1.2.3", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings := 0
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(api.VersionHeader, tc.theirs)
				reply(t, w, "application/json", 200, api.Health{})
			}, Options{Version: tc.mine, Warn: func(string) { warnings++ }})
			for range 2 {
				if _, err := c.Health(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if warnings != tc.warnings {
				t.Errorf("got %d warnings, want %d", warnings, tc.warnings)
			}
		})
	}
}

func TestDeadline_IsATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Options{})
	if _, err := c.Health(ctx); !errs.Is(err, errs.Timeout) {
		t.Errorf("got %v, want code timeout", err)
	}
}

func TestCancel_EndsARequest(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, Options{})
	if _, err := c.Health(ctx); !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v, want code canceled", err)
	}
}
