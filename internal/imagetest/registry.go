package imagetest

import (
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a registry in this process. It speaks HTTP: an engine takes that from 127.0.0.0/8.
type Registry struct {
	host  string
	store http.Handler

	mu       sync.Mutex
	user     string
	password string
	fault    Fault
	// layers are the digests of layers, as against configs and manifests.
	layers map[string]bool
	// asked counts how often a tag was resolved, by repository:tag; an engine does it by HEAD, and then asks by digest.
	asked map[string]int
	// fetched counts how often each layer of a repository was asked for, by repository and digest.
	fetched map[string]map[string]int
	// reached is closed and made anew when a request meets the fault.
	reached chan struct{}
	// gone is closed when the test ends, for what hangs.
	gone chan struct{}
}

// Serve serves a registry on l until the test ends. With a private engine, l must be in the engine's network: see
// testenv.DockerEngine.Listen.
func Serve(t testing.TB, l net.Listener) *Registry {
	t.Helper()
	r := &Registry{
		host: l.Addr().String(), store: registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		layers: map[string]bool{}, asked: map[string]int{}, fetched: map[string]map[string]int{},
		reached: make(chan struct{}), gone: make(chan struct{}),
	}
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // a test's own, on loopback
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		close(r.gone)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return r
}

// Host is HOST:PORT, as an image's name has it.
func (r *Registry) Host() string { return r.host }

// Ref is the full name of path, as team/app:v1, in this registry.
func (r *Registry) Ref(path string) string { return r.host + "/" + path }

// Push stores the image under path, as team/app:v1, and returns its full name; several images make a manifest list.
func (r *Registry) Push(t testing.TB, path string, images ...Image) string {
	t.Helper()
	built := make([]v1.Image, 0, len(images))
	for _, img := range images {
		built = append(built, Build(t, img))
	}
	ref, err := name.ParseReference(r.Ref(path), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	// Straight into the store: whatever fault or login is set is for the engine, and the network may be another.
	into := remote.WithTransport(direct{r.store})
	if len(built) == 1 {
		err = remote.Write(ref, built[0], into)
	} else {
		err = remote.WriteIndex(ref, index(t, built), into)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.noteLayers(t, built)
	return r.Ref(path)
}

func (r *Registry) noteLayers(t testing.TB, images []v1.Image) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, img := range images {
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			digest, err := layer.Digest()
			if err != nil {
				t.Fatal(err)
			}
			r.layers[digest.String()] = true
		}
	}
}

// RequireLogin refuses everyone who does not bring this login from now on; an empty user lets all in.
func (r *Registry) RequireLogin(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.user, r.password = user, password
}

// Asked is how often an engine asked what path, as team/app:v1, is: once for each pull.
func (r *Registry) Asked(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[path]
}

// Fetched is how often each layer of the repository, as team/app, was asked for, sorted.
func (r *Registry) Fetched(repository string) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Values(r.fetched[repository]))
}

// ServeHTTP serves the registry, its login and its fault.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	user, password, fault := r.user, r.password, r.fault
	r.mu.Unlock()
	if gotUser, gotPassword, _ := req.BasicAuth(); user != "" && (gotUser != user || gotPassword != password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		registryError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	repository, what, item := split(req.URL.Path)
	if what == "manifests" && req.Method == http.MethodHead && !strings.Contains(item, ":") {
		r.mu.Lock()
		r.asked[repository+":"+item]++
		r.mu.Unlock()
	}
	r.mu.Lock()
	isLayer := what == "blobs" && r.layers[item] && req.Method == http.MethodGet
	if isLayer {
		if r.fetched[repository] == nil {
			r.fetched[repository] = map[string]int{}
		}
		r.fetched[repository][item]++
	}
	r.mu.Unlock()
	if fault.spoil(r, w, req, what == "manifests", isLayer) {
		return
	}
	r.store.ServeHTTP(w, req)
}

// split takes /v2/REPOSITORY/manifests/ITEM apart.
func split(path string) (repository, what, item string) {
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	if len(parts) < 3 {
		return "", "", ""
	}
	n := len(parts)
	return strings.Join(parts[:n-2], "/"), parts[n-2], parts[n-1]
}

// direct is a transport that goes to a handler without a network.
type direct struct{ handler http.Handler }

// RoundTrip serves the request.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if req.Body == nil {
		req.Body = http.NoBody
	}
	d.handler.ServeHTTP(rec, req)
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}
