// Package server is the HTTP API of agentd: routes, handlers, errors, health and metrics.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"agentd/internal/api"
)

// Options are what a [Server] needs. All but Sessions, VFolders, System, Engine, Audit,
// Changed and Limits are required.
type Options struct {
	Templates Templates
	// Sessions, VFolders and System are nil in an agentd that launches nothing: then their routes are not there.
	Sessions *Sessions
	VFolders vfolders
	System   system
	// Count is the number of templates that are served, for the metrics.
	Count func() int
	// Store proves that the state directory can be written and read.
	Store func(context.Context) error
	// Engine is nil as long as nothing needs the engine.
	Engine engineProber
	// ConnContext puts the [identity.Caller] of a connection into its context; requests without one are refused.
	ConnContext func(context.Context, net.Conn) context.Context
	// Audit records who did what; nil records nothing.
	Audit auditor
	// Changed, if set, is called after each request that changed something; it must not wait.
	Changed func()
	Log     *slog.Logger
	Limits  Limits
}

// engineProber says whether the engine answers.
type engineProber interface {
	Probe(ctx context.Context) error
}

// Limits bound what clients can hold; a zero field means its default.
type Limits struct {
	// Connections is the number of connections of one uid that are served at a time, 64 by default. As many again are
	// told to come back later, and those beyond are closed unheard.
	Connections int
	// Header, Body, Answer and Idle bound the times to send a header (5 s), to send a body (10 s), to take the answer
	// (30 s), and between two requests (2 minutes).
	Header, Body, Answer, Idle time.Duration
	// Probe bounds each part of the health (5 s).
	Probe time.Duration
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if l.Connections == 0 {
		l.Connections = 64
	}
	set(&l.Header, 5*time.Second)
	set(&l.Body, 10*time.Second)
	set(&l.Answer, 30*time.Second)
	set(&l.Idle, 2*time.Minute)
	set(&l.Probe, 5*time.Second)
	return l
}

// Server serves the API on one listener.
type Server struct {
	opt     Options
	log     *slog.Logger
	limits  Limits
	metrics *metrics
	conns   *connections
	openapi []byte
	http    *http.Server
	// life ends when the server stops: streams, which would go on for ever, end with it.
	life context.Context
	stop context.CancelFunc
}

// New makes the routes. It fails only if the API's description cannot be encoded.
func New(o Options) (*Server, error) {
	s := &Server{opt: o, log: o.Log, limits: o.Limits.withDefaults()}
	s.life, s.stop = context.WithCancel(context.Background())
	s.metrics = newMetrics(o.Count)
	s.conns = newConnections(s.limits.Connections)
	mux, err := s.routes()
	if err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler: s.observe(s.recovered(s.bounded(s.guard(s.known(mux))))),
		// A request's context ends when its client goes away.
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return s.conns.admit(o.ConnContext(ctx, c), c)
		},
		ConnState:         s.conns.changed,
		ReadHeaderTimeout: s.limits.Header,
		IdleTimeout:       s.limits.Idle,
		MaxHeaderBytes:    api.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		// Otherwise net/http answers "OPTIONS *" itself, before the guard.
		DisableGeneralOptionsHandler: true,
	}
	s.http.RegisterOnShutdown(s.stop)
	return s, nil
}

// Handler is the whole API, for tests without a socket; the context of a request must carry its caller.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// OpenAPI is the description of the API, generated from the handlers' types: what GET /v1/openapi.json answers.
func (s *Server) OpenAPI() []byte { return s.openapi }

// Serve answers on ln until [Server.Shutdown]; then it returns nil at once, while requests may still be under way.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops listening and waits for the requests under way; when ctx ends first, they are cut.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("wait for requests: %w", err), s.http.Close())
}
