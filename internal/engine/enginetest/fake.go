// Package enginetest is a Docker Engine for tests: a fake that speaks the engine's API over a Unix socket, can be told to
// fail in each call, and is strict about what it is asked; and the contract that it and a real engine both keep.
package enginetest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Fake is an engine with nothing behind it. It behaves as version 20.10 does, with its faults: one image under a tag, and
// a pull of another platform than there is counts as a success.
type Fake struct {
	t      testing.TB
	socket string

	mu         sync.Mutex
	server     *http.Server
	done       chan struct{}
	now        time.Time
	serial     int
	images     map[string]*fakeImage // by id
	tags       map[string]string     // full name → id
	registry   map[string][]Image    // full name → one for each platform
	containers map[string]*fakeContainer
	networks   map[string]*fakeNetwork
	volumes    map[string]*fakeVolume
	events     []fakeEvent
	told       chan struct{} // closed and made anew with each event
	faults     map[Op][]Fault
	calls      []Op
	gone       chan struct{}
	// observer and late are for models of crashes, see snapshot.go.
	observer func(Op, bool, Snapshot)
	late     func(*fakeContainer)
}

// Start starts a fake that ends with the test. What it was asked that no engine of ours may be asked fails the test.
func Start(t testing.TB) *Fake {
	t.Helper()
	// Not t.TempDir: a socket's path has at most 108 bytes, and a test's name may have more.
	dir, err := os.MkdirTemp("", "fake-engine-")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{
		t: t, socket: filepath.Join(dir, "docker.sock"), now: time.Now(),
		images: map[string]*fakeImage{}, tags: map[string]string{}, registry: map[string][]Image{},
		containers: map[string]*fakeContainer{}, networks: map[string]*fakeNetwork{}, volumes: map[string]*fakeVolume{},
		faults: map[Op][]Fault{}, told: make(chan struct{}), gone: make(chan struct{}),
	}
	f.listen()
	t.Cleanup(func() {
		close(f.gone)
		f.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Host is its address, as DOCKER_HOST has it.
func (f *Fake) Host() string { return "unix://" + f.socket }

func (f *Fake) listen() {
	f.t.Helper()
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		f.t.Fatal(err)
	}
	server := &http.Server{Handler: f, ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // a test's own
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			f.t.Error(err)
		}
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server, f.done = server, done
}

// Stop breaks all connections and takes no new ones, as an engine that was killed. What it has stays.
func (f *Fake) Stop() {
	f.mu.Lock()
	server, done := f.server, f.done
	f.server = nil
	f.mu.Unlock()
	if server == nil {
		return
	}
	if err := server.Close(); err != nil {
		f.t.Error(err)
	}
	<-done
}

// Restart is a [Fake.Stop] after which it answers again.
func (f *Fake) Restart() {
	f.t.Helper()
	f.Stop()
	if err := os.Remove(f.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	f.listen()
}

// Next has the next calls of op go wrong, each with one of the faults, in order.
func (f *Fake) Next(op Op, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[op] = append(f.faults[op], faults...)
}

// Calls are the operations that it was asked for, in order, without ping and info.
func (f *Fake) Calls() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Count is how often it was asked for op.
func (f *Fake) Count(op Op) int {
	n := 0
	for _, call := range f.Calls() {
		if call == op {
			n++
		}
	}
	return n
}

// Left lists the containers, volumes and networks that it has, sorted.
func (f *Fake) Left() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []string
	for _, c := range f.containers {
		left = append(left, "container "+c.name)
	}
	for name := range f.volumes {
		left = append(left, "volume "+name)
	}
	for name := range f.networks {
		left = append(left, "network "+name)
	}
	slices.Sort(left)
	return left
}

// Tags maps the full names of the images that it has to their ids.
func (f *Fake) Tags() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.tags)
}

// illegal fails the test: something was asked that an engine must never be asked by us.
func (f *Fake) illegal(format string, args ...any) { f.t.Errorf("illegal call: "+format, args...) }

// newIDLocked is a new id as the engine makes them.
func (f *Fake) newIDLocked() string {
	f.serial++
	return fmt.Sprintf("%064x", f.serial)
}

// tickLocked is the engine's clock: each look at it is later than the one before.
func (f *Fake) tickLocked() time.Time {
	f.now = f.now.Add(time.Millisecond)
	return f.now
}
