package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Sessions is the life of sessions; package supervisor has most of it. All parts are required.
type Sessions struct {
	Launcher  sessionLauncher
	Finder    sessionFinder
	Ender     sessionEnder
	Renamer   sessionRenamer
	Restarter sessionRestarter
	Saver     templateSaver
	Queue     sessionQueue
	Usage     usageReader
	Planner   sessionPlanner
	Events    sessionListener
	Init      initDialer
	Copier    fileCopier
	// Logs opens the directory that holds a session's log, as package beneath does.
	Logs func(session.Record) (*os.File, error)
	// Files says where a session's scratch is on the host, and until when it is kept; nil if no end is in sight.
	Files func(session.Record) (scratch string, until *time.Time)
}

// Launched is a session that was accepted, durably.
type Launched struct {
	Record session.Record
	// Created is false if a living session was given back.
	Created bool
	// Array are all sessions of a launch that asked for several.
	Array []session.Record
	// Sequence is the number of the last event before the session's first.
	Sequence int64
}

type sessionLauncher interface {
	// Launch returns as soon as the session has a record. Two launches of a caller with one key, unless that is empty,
	// are one.
	Launch(ctx context.Context, caller identity.Caller, req api.LaunchRequest, key string) (Launched, error)
}

// In all of these ref is an exact id, an exact name of the caller's, or a unique prefix of an id.

type sessionFinder interface {
	// Find also says in words what the session waits for, if it waits.
	Find(caller identity.Caller, ref string) (session.Record, string, error)
	List(caller identity.Caller, all, ended bool) []session.Record
	// Follow is Find for somebody who waits: the channel is closed when the session has ended.
	Follow(caller identity.Caller, ref string) (session.Record, <-chan struct{}, error)
}

type sessionQueue interface {
	// Position is a session's place in the queue, from 1; 0 for one that is not in line.
	Position(id string) int
	// Depths is how many sessions of all users wait for what.
	Depths() map[string]int
}

type sessionEnder interface {
	Terminate(caller identity.Caller, ref string, force bool) (session.Record, error)
	Remove(ctx context.Context, caller identity.Caller, ref string) (session.Record, error)
}

type sessionPlanner interface {
	// Plan resolves a request and launches nothing.
	Plan(ctx context.Context, caller identity.Caller, req api.LaunchRequest) (plan.Resolved, error)
}

type sessionListener interface {
	// Listen returns the events after a sequence number, none if that is negative, and those to come until cancel is
	// called; of one session if id is not empty. The channel is closed when the listener falls behind.
	Listen(caller identity.Caller, all bool, id string, after int64) (old []api.Event, events <-chan api.Event, cancel func())
}

type initDialer interface {
	// Dial connects to the session's agentd-init and reads its hello.
	Dial(ctx context.Context, rec session.Record) (*net.UnixConn, error)
}

type fileCopier interface {
	// Copy performs a request to copy from or to the files of a session that has ended, as their owner, on the
	// connection fd; it returns when all is done.
	Copy(ctx context.Context, rec session.Record, req json.RawMessage, fd int) error
}

// sessionRoutes are the handlers of sessions.
type sessionRoutes struct {
	Sessions
	s *Server
}

func (s *Server) registerSessions(a huma.API) {
	if s.opt.Sessions == nil {
		return
	}
	x := sessionRoutes{Sessions: *s.opt.Sessions, s: s}
	r := func(method, path, name, summary string) route {
		return route{method: method, path: path, name: name, summary: summary, tag: "sessions"}
	}
	stream(s, a, r(http.MethodPost, api.PathSessions, "launch-session",
		"Launch a session; the answer tells its steps until it runs, or has ended"), eventStream, x.launch)
	handle(a, r(http.MethodPost, api.PathSessionsPlan, "plan-session",
		"What exactly a launch would do, and where each value comes from"), x.plan)
	handle(a, r(http.MethodGet, api.PathSessions, "list-sessions", "List sessions, newest first"), x.list)
	handle(a, r(http.MethodGet, api.PathSession, "get-session", "All that there is to tell about one session"), x.get)
	handle(a, r(http.MethodDelete, api.PathSession, "remove-session",
		"Forget a session that has ended, with its logs and files"), x.remove)
	handle(a, r(http.MethodGet, api.PathSessionHistory, "get-session-history", "How its status changed"), x.history)
	handle(a, r(http.MethodPost, api.PathSessionTerminate, "terminate-session",
		"Ask a session to end; does not wait for it"), x.terminate)
	stream(s, a, r(http.MethodGet, api.PathSessionLogs, "get-session-logs",
		"The output of its steps, oldest first, and on request what comes"), lineStream, x.logs)
	stream(s, a, r(http.MethodGet, api.PathSessionEvents, "get-session-events",
		"What happens to one session"), eventStream, x.sessionEvents)
	stream(s, a, r(http.MethodGet, api.PathEvents, "get-events", "What happens to the caller's sessions"),
		eventStream, x.events)
	x.registerDaily(a, r)
	x.registerStats(a, r)
	x.registerUpgrades(a, func(path, name, summary string) route { return r(http.MethodPost, path, name, summary) })
}
