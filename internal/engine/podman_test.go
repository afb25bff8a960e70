package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

func TestIsPodman_ByTheNameOfItsComponent(t *testing.T) {
	for body, want := range map[string]bool{
		`{"Components":[{"Name":"Podman Engine","Version":"5.4.2"},{"Name":"Conmon"}]}`: true,
		`{"Components":[{"Name":"Engine","Version":"26.1.5"},{"Name":"containerd"}]}`:   false,
		`not found`: false,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(body))
		}))
		api, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithVersion("1.41"))
		if err != nil {
			t.Fatal(err)
		}
		if got := isPodman(t.Context(), api); got != want {
			t.Errorf("%s: %v; want %v", body, got, want)
		}
		api.Close()
		server.Close()
	}
}

// Podman makes the network, and says nothing of what it leaves out.
func TestEnsureNetwork_NotWithPodman(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(body))
		}
	}
	mux.HandleFunc("/v1.41/info", answer(`{"ServerVersion":"5.4.2","SecurityOptions":["name=seccomp,profile=default"]}`))
	mux.HandleFunc("/v1.41/version", answer(`{"Components":[{"Name":"Podman Engine","Version":"5.4.2"}]}`))
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	server := httptest.NewServer(mux)
	defer server.Close()
	e, err := Connect("tcp://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.EnsureNetwork(t.Context(), "agentd-1", "1"); !errs.Is(err, errs.Unsupported) {
		t.Errorf("got %v; want unsupported", err)
	}
	if info, err := e.Info(t.Context()); err != nil || !info.Podman {
		t.Errorf("%+v, %v", info, err)
	}
}
