package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"agentd/internal/api"
	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/job"
	"agentd/internal/plan"
	"agentd/internal/server"
	"agentd/internal/session"
)

// fakeSessions has one session, and tells events as the supervisor does. It writes what it is asked into the same list
// as the fake catalog, and fails with the same error.
type fakeSessions struct {
	*fake
	// dir holds the session's log; none if it is empty.
	dir string
	// init answers a dial, if it is set.
	init func() (*net.UnixConn, error)

	smu       sync.Mutex
	rec       session.Record
	ended     chan struct{}
	events    []api.Event
	listeners map[chan api.Event]bool
	reused    bool
}

func sessionRecord() session.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec := session.Record{
		ID: "s0123456789", Nonce: "the-nonce", Owner: 7, Created: at, Result: session.Undefined,
		Plan: plan.Plan{Name: "one", Type: "batch", Image: plan.Image{Reference: "busybox:latest"}},
	}
	rec.Enter(session.Pending, at, "", "")
	return rec
}

func newFakeSessions(f *fake) *fakeSessions {
	return &fakeSessions{
		fake: f, rec: sessionRecord(), ended: make(chan struct{}), listeners: map[chan api.Event]bool{},
	}
}

func (f *fakeSessions) options() *server.Sessions {
	return &server.Sessions{
		Launcher: f, Finder: f, Ender: f, Renamer: f, Restarter: f, Queue: f, Saver: f, Usage: f, Planner: f, Events: f, Init: f, Copier: f,
		Logs: func(session.Record) (*os.File, error) {
			if f.dir == "" {
				return nil, fmt.Errorf("open: %w", os.ErrNotExist)
			}
			return beneath.Dir(f.dir)
		},
		Files: func(session.Record) (string, *time.Time) { return "/scratch", nil },
	}
}

// enter moves the session on and tells it.
func (f *fakeSessions) enter(statuses ...session.Status) {
	f.smu.Lock()
	defer f.smu.Unlock()
	for _, s := range statuses {
		if err := f.rec.Enter(s, f.rec.Created, "why", ""); err != nil {
			panic(err)
		}
		f.tellLocked(api.Event{Kind: api.EventStatus, Status: s})
		if s.Final() {
			close(f.ended)
		}
	}
}

func (f *fakeSessions) tell(e api.Event) {
	f.smu.Lock()
	defer f.smu.Unlock()
	f.tellLocked(e)
}

func (f *fakeSessions) tellLocked(e api.Event) {
	e.Sequence = int64(len(f.events) + 1)
	e.SessionID, e.OwnerUID, e.Time = f.rec.ID, f.rec.Owner, f.rec.Created
	f.events = append(f.events, e)
	for l := range f.listeners {
		select {
		case l <- e:
		default:
			close(l)
			delete(f.listeners, l)
		}
	}
}

// listening returns how many listen now.
func (f *fakeSessions) listening() int {
	f.smu.Lock()
	defer f.smu.Unlock()
	return len(f.listeners)
}

func (f *fakeSessions) record() session.Record {
	f.smu.Lock()
	defer f.smu.Unlock()
	return f.rec
}

func (f *fakeSessions) Launch(
	_ context.Context, c identity.Caller, req api.LaunchRequest, key string,
) (server.Launched, error) {
	password := ""
	if req.Git != nil {
		password = req.Git.Password
	}
	f.note(c, nil, "launch %q key %q env %v password %q", req.Template, key, req.Overrides.Env["GONE"] == nil, password)
	return server.Launched{Record: f.record(), Created: !f.reused}, f.err
}

func (f *fakeSessions) Plan(_ context.Context, c identity.Caller, req api.LaunchRequest) (plan.Resolved, error) {
	f.note(c, nil, "plan %q", req.Template)
	return plan.Resolved{Plan: f.record().Plan}, f.err
}

func (f *fakeSessions) Find(c identity.Caller, ref string) (session.Record, string, error) {
	f.note(c, nil, "find %q", ref)
	return f.record(), "for slots", f.err
}

func (f *fakeSessions) List(c identity.Caller, all, ended bool) []session.Record {
	f.note(c, nil, "list all=%t ended=%t", all, ended)
	var list []session.Record
	for i := range 5 {
		rec := f.record()
		rec.ID = fmt.Sprintf("s%d", i)
		rec.Created = rec.Created.Add(-time.Duration(i/2) * time.Hour)
		rec.Status, rec.Owner = session.Terminated, uint32(7+i%2)
		list = append(list, rec)
	}
	return list
}

func (f *fakeSessions) Follow(c identity.Caller, ref string) (session.Record, <-chan struct{}, error) {
	f.note(c, nil, "follow %q", ref)
	return f.record(), f.ended, f.err
}

func (f *fakeSessions) Terminate(c identity.Caller, ref string, force bool) (session.Record, error) {
	f.note(c, nil, "terminate %q force=%t", ref, force)
	return f.record(), f.err
}

func (f *fakeSessions) Remove(_ context.Context, c identity.Caller, ref string) (session.Record, error) {
	f.note(c, nil, "remove %q", ref)
	return f.record(), f.err
}

func (f *fakeSessions) Listen(
	_ identity.Caller, _ bool, _ string, after int64,
) (old []api.Event, events <-chan api.Event, cancel func()) {
	f.smu.Lock()
	defer f.smu.Unlock()
	if after >= 0 && after < int64(len(f.events)) {
		old = slices.Clone(f.events[after:])
	}
	l := make(chan api.Event, 4)
	f.listeners[l] = true
	return old, l, func() {
		f.smu.Lock()
		defer f.smu.Unlock()
		delete(f.listeners, l)
	}
}

func (f *fakeSessions) Dial(context.Context, session.Record) (*net.UnixConn, error) {
	if f.init == nil {
		return nil, errs.New(errs.Unavailable, "nobody listens")
	}
	return f.init()
}

// logged makes a log of these lines.
func (f *fakeSessions) logged(dir string, text string) error {
	f.dir = dir
	return os.WriteFile(filepath.Join(dir, job.LogName), []byte(text), 0o600)
}

func aVFolder() api.VFolder { return api.VFolder{Name: "results", OwnerUID: 7, Path: "/v"} }

type fakeVFolders struct{ *fake }

func (f fakeVFolders) VFolders(_ context.Context, c identity.Caller) ([]api.VFolder, error) {
	f.note(c, nil, "vfolders")
	return nil, f.err
}

func (f fakeVFolders) VFolder(_ context.Context, c identity.Caller, name string) (api.VFolder, error) {
	f.note(c, nil, "vfolder %q", name)
	return aVFolder(), f.err
}

func (f fakeVFolders) CreateVFolder(
	_ context.Context, c identity.Caller, req api.VFolderRequest,
) (api.VFolder, error) {
	f.note(c, nil, "create vfolder %q at %q", req.Name, req.Path)
	return aVFolder(), f.err
}

func (f fakeVFolders) RemoveVFolder(_ context.Context, c identity.Caller, name string) (api.VFolder, error) {
	f.note(c, nil, "remove vfolder %q", name)
	return aVFolder(), f.err
}

type fakeSystem struct{ *fake }

func (f fakeSystem) Info(_ context.Context, c identity.Caller) (api.SystemInfo, error) {
	f.note(c, nil, "info")
	return api.SystemInfo{AgentID: "a1"}, f.err
}

func (f fakeSystem) Doctor(_ context.Context, c identity.Caller) (api.Doctor, error) {
	f.note(c, nil, "doctor")
	return api.Doctor{}, f.err
}

func (f *fakeSessions) Copy(_ context.Context, _ session.Record, _ json.RawMessage, _ int) error {
	return errs.New(errs.NotFound, "no files")
}

func (f *fakeSessions) Position(string) int { return 0 }

func (f *fakeSessions) Depths() map[string]int { return map[string]int{"slots": 2} }
