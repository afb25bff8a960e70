package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

func TestGuard_WebPagesAndForeignHosts(t *testing.T) {
	for name, row := range map[string]struct {
		host   string
		header [2]string
		ok     bool
	}{
		"agentd":    {host: "agentd", ok: true},
		"localhost": {host: "localhost", ok: true},
		"empty":     {host: "", ok: true},
		"foreign":   {host: "evil.example"},
		"rebound":   {host: "agentd.evil.example"},
		"address":   {host: "127.0.0.1:8080"},
		"origin":    {host: "agentd", header: [2]string{"Origin", "null"}},
		"referer":   {host: "agentd", header: [2]string{"Referer", "http://agentd/"}},
	} {
		for _, target := range []string{"/v1/templates", "/v1/healthz", "/metrics", "/v1/openapi.json", "/none"} {
			h := newHarness(t)
			r := httptest.NewRequestWithContext(identity.With(t.Context(), identity.Caller{UID: 7}), "GET", target, nil)
			r.Host = row.host
			if row.header[0] != "" {
				r.Header.Set(row.header[0], row.header[1])
			}
			w := httptest.NewRecorder()
			h.Handler().ServeHTTP(w, r)
			if row.ok {
				if w.Code == http.StatusForbidden {
					t.Errorf("%s %s: refused", name, target)
				}
				continue
			}
			if p := problemOf(t, w.Result()); p.Code != errs.Forbidden || len(h.fake.calls) != 0 {
				t.Errorf("%s %s: %+v, asked %v", name, target, p, h.fake.calls)
			}
		}
	}
}

func TestGuard_NobodyIsRefused(t *testing.T) {
	for op, row := range requests() {
		h := newHarness(t)
		r := httptest.NewRequestWithContext(t.Context(), row.method, row.target, strings.NewReader(row.body))
		r.Host = api.Host
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, r)
		if p := problemOf(t, w.Result()); p.Code != errs.Forbidden || len(h.fake.calls) != 0 {
			t.Errorf("%s: %+v, asked %v", op, p, h.fake.calls)
		}
	}
}

func TestRecovered_APanicIsOneFailedRequest(t *testing.T) {
	h := newHarness(t)
	h.fake.panics = "index out of range"
	p := problemOf(t, h.do(t, "GET", "/v1/templates/one", ""))
	if p.Code != errs.Internal || strings.Contains(p.Detail, "index") {
		t.Errorf("%+v", p)
	}
	for _, want := range []string{"index out of range", p.RequestID, "fake_test.go"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, h.log)
		}
	}
	h.fake.panics = nil
	if resp := h.do(t, "GET", "/v1/templates/one", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestObserve_RequestID(t *testing.T) {
	for sent, kept := range map[string]bool{"run-7.a_B": true, "a b": false, "": false, strings.Repeat("x", 65): false} {
		resp := newHarness(t).do(t, "GET", "/none", "", api.RequestIDHeader, sent)
		if got := resp.Header.Get(api.RequestIDHeader); got == "" || (got == sent) != kept {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

func TestObserve_AccessLog(t *testing.T) {
	h := newHarness(t)
	h.do(t, "GET", "/v1/templates/one", "", api.RequestIDHeader, "r1", api.VersionHeader, "v9")
	for _, want := range []string{"level=DEBUG", "request=r1", "uid=7", "pid=99", "method=GET", "path=/v1/templates/one",
		"status=200", "took=", "client=v9"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, h.log)
		}
	}
}

func TestClassify_TheClientWentAway(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(identity.With(t.Context(), identity.Caller{UID: 7}))
	cancel()
	for cause, want := range map[error]errs.Code{
		context.Canceled:         errs.Canceled,
		context.DeadlineExceeded: errs.Timeout,
		errors.New("else"):       errs.Internal,
	} {
		h.fake.err = cause
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/templates/one", nil)
		r.Host = api.Host
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, r)
		if p := problemOf(t, w.Result()); p.Code != want {
			t.Errorf("%v: %s; want %s", cause, p.Code, want)
		}
		if loud := strings.Contains(h.log.String(), "level=ERROR"); loud && want != errs.Internal {
			t.Errorf("%v is loud: %s", cause, h.log)
		}
		h.log.b.Reset()
	}
}
