package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/server"
)

type engine func(context.Context) error

func (e engine) Probe(ctx context.Context) error { return e(ctx) }

func health(t *testing.T, h *harness, target string) (int, api.Health) {
	t.Helper()
	resp := h.do(t, "GET", target, "")
	var got api.Health
	if err := json.Unmarshal([]byte(bodyOf(t, resp)), &got); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, got
}

func TestHealth_TellsThePartsApart(t *testing.T) {
	fails := func(context.Context) error { return errors.New("broken") }
	fine := func(context.Context) error { return nil }
	for name, row := range map[string]struct {
		store           func(context.Context) error
		engine          engine
		target          string
		status          int
		overall         string
		storeP, engineP api.Part
	}{
		"well, no engine": {fine, nil, "/v1/healthz", 200, "ok", api.Part{Status: "ok"}, api.Part{Status: "unused"}},
		"all well":        {fine, fine, "/v1/healthz", 200, "ok", api.Part{Status: "ok"}, api.Part{Status: "ok"}},
		"store fails": {fails, fine, "/v1/healthz", 503, "degraded",
			api.Part{Status: "failed", Detail: "broken"}, api.Part{Status: "ok"}},
		"engine fails": {fine, fails, "/v1/healthz", 200, "degraded",
			api.Part{Status: "ok"}, api.Part{Status: "failed", Detail: "broken"}},
		"only the daemon": {fails, fails, "/v1/healthz?part=daemon", 200, "ok",
			api.Part{Status: "unused"}, api.Part{Status: "unused"}},
	} {
		h := newHarness(t, func(o *server.Options) {
			o.Store = row.store
			if row.engine != nil {
				o.Engine = row.engine
			}
		})
		status, got := health(t, h, row.target)
		if status != row.status || got.Status != row.overall || got.Store != row.storeP || got.Engine != row.engineP ||
			got.Daemon.Status != "ok" || got.SchemaVersion != api.SchemaVersion || got.Version == "" {
			t.Errorf("%s: %d %+v", name, status, got)
		}
	}
}

// A disk that does not answer is told as such in bounded time, and asked once however many want to know.
func TestHealth_AHangingStore(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	asked := 0
	h := newHarness(t, func(o *server.Options) {
		o.Limits.Probe = 20 * time.Millisecond
		o.Store = func(context.Context) error {
			mu.Lock()
			asked++
			mu.Unlock()
			<-release
			return nil
		}
	})
	for range 3 {
		status, got := health(t, h, "/v1/healthz")
		if status != http.StatusServiceUnavailable || got.Store.Status != "failed" ||
			!strings.HasPrefix(got.Store.Detail, "no answer since 20") {
			t.Errorf("%d %+v", status, got)
		}
	}
	mu.Lock()
	if asked != 1 {
		t.Errorf("the store was asked %d times", asked)
	}
	mu.Unlock()
	close(release)
	for {
		if status, _ := health(t, h, "/v1/healthz"); status == http.StatusOK {
			break
		}
	}
}

func TestMetrics_RoutesArePatterns(t *testing.T) {
	h := newHarness(t)
	h.do(t, "GET", "/v1/templates/one", "")
	h.do(t, "GET", "/v1/templates/two", "")
	h.do(t, "GET", "/v1/wp-login.php", "")
	resp := h.do(t, "GET", "/metrics", "")
	text := bodyOf(t, resp)
	for _, want := range []string{
		`agentd_http_requests_total{code="200",route="GET /v1/templates/{ref}"} 2`,
		`agentd_http_requests_total{code="404",route="none"} 1`,
		`agentd_http_request_duration_seconds_count{route="GET /v1/templates/{ref}"} 2`,
		"agentd_templates 42", "agentd_build_info{goversion=", "process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, never := range []string{"wp-login", "one"} {
		if strings.Contains(text, `/`+never+`"`) {
			t.Errorf("/metrics has a series for %s", never)
		}
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("content type %s", kind)
	}
}

// The description in docs/ is the one that is served; `go test ./internal/server -update` writes it.
func TestOpenAPI_DocsAreFresh(t *testing.T) {
	const file = "../../docs/openapi.json"
	h := newHarness(t)
	if *update {
		if err := os.WriteFile(file, h.OpenAPI(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	resp := h.do(t, "GET", "/v1/openapi.json", "")
	if got := bodyOf(t, resp); got != string(want) || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("docs/openapi.json is stale: go test ./internal/server -update")
	}
}

func TestOpenAPI_SaysWhatIsTrue(t *testing.T) {
	text := string(newHarness(t).OpenAPI())
	for _, want := range []string{`"application/problem+json"`, `"#/components/schemas/Problem"`, `"application/yaml"`} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	for _, never := range []string{"ErrorModel", "$schema", "ErrorDetail"} {
		if strings.Contains(text, never) {
			t.Errorf("it has %s, which is the library's", never)
		}
	}
}
