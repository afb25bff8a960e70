package enginetest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// Snapshot is all that a fake has at one instant.
type Snapshot struct {
	now        time.Time
	serial     int
	images     map[string]*fakeImage
	tags       map[string]string
	containers map[string]fakeContainer
	networks   map[string]*fakeNetwork
	volumes    map[string]*fakeVolume
	events     []fakeEvent
}

// snapshotLocked is what there is now.
func (f *Fake) snapshotLocked() Snapshot {
	s := Snapshot{
		now: f.now, serial: f.serial, images: maps.Clone(f.images), tags: maps.Clone(f.tags),
		containers: map[string]fakeContainer{}, networks: maps.Clone(f.networks), volumes: maps.Clone(f.volumes),
		events: slices.Clone(f.events),
	}
	for id, c := range f.containers {
		s.containers[id] = *c
	}
	return s
}

// Snapshot is what there is now.
func (f *Fake) Snapshot() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshotLocked()
}

// Become makes the fake what another one was; nobody may be asking it anything. If powerLost, what ran then is as an engine
// finds it after a loss of power: ended with 255, now.
func (f *Fake) Become(s Snapshot, powerLost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now, f.serial, f.images, f.tags = s.now, s.serial, maps.Clone(s.images), maps.Clone(s.tags)
	f.networks, f.volumes, f.events = maps.Clone(s.networks), maps.Clone(s.volumes), slices.Clone(s.events)
	f.containers, f.late, f.calls = map[string]*fakeContainer{}, nil, nil
	for id, c := range s.containers {
		c.ended, c.removed = make(chan struct{}), make(chan struct{})
		if c.state == "exited" {
			close(c.ended)
		}
		f.containers[id] = &c
		if powerLost && c.state == "running" {
			f.endLocked(&c, 255)
		}
	}
}

// States are the states of all containers by name, as the engine calls them.
func (f *Fake) States() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := map[string]string{}
	for _, c := range f.containers {
		states[c.name] = c.state
	}
	return states
}

// Starts counts how often a container with the value of the label was started, also of those that are gone.
func (f *Fake) Starts(label, value string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, e := range f.events {
		if e.action == "start" && e.labels[label] == value {
			n++
		}
	}
	return n
}

// Late does a start that was asked for by somebody who is dead by now: just after the next answer about a container that was
// made and not started.
func (f *Fake) Late() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = func(c *fakeContainer) {
		if c.state == "created" {
			c.state, c.started, f.late = "running", f.tickLocked(), nil
			f.tellLocked("start", c)
		}
	}
}

// Observe has tell called with what there is before and after each call that changes containers: after it, before the answer
// is sent. A nil tell ends that.
func (f *Fake) Observe(tell func(t Op, after bool, s Snapshot)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observer = tell
}

// observed serves a call that changes containers, and tells of it.
func (f *Fake) observed(w http.ResponseWriter, op Op, serve func(http.ResponseWriter)) {
	f.mu.Lock()
	tell := f.observer
	f.mu.Unlock()
	if tell == nil || !slices.Contains([]Op{ContainerCreate, ContainerStart, ContainerKill, ContainerRemove}, op) {
		serve(w)
		return
	}
	tell(op, false, f.Snapshot())
	rec := httptest.NewRecorder()
	serve(rec)
	tell(op, true, f.Snapshot())
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()) //nolint:errcheck // who hangs up does not want it
}

// Foreign makes a running container that is nobody's of ours, with these labels.
func (f *Fake) Foreign(t testing.TB, name string, labels map[string]string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &fakeContainer{
		id: f.newIDLocked(), name: name, state: "running", labels: labels, created: f.tickLocked(), started: f.tickLocked(),
		hostConfig: []byte("{}"), ended: make(chan struct{}), removed: make(chan struct{}),
	}
	f.containers[c.id] = c
}
