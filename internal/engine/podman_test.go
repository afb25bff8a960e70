package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/docker/docker/client"
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
