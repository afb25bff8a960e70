package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/version"
)

// Statuses of a part of the health.
const (
	partOK     = "ok"
	partFailed = "failed"
	partUnused = "unused"
)

type healthIn struct {
	Part string `query:"part" enum:"daemon" doc:"daemon: ask neither the store nor the engine"`
}

type healthOut struct {
	Status     int
	RetryAfter string `header:"Retry-After" doc:"Of a 503: when to ask again, in seconds"`
	Body       api.Health
}

func (s *Server) registerHealth(a huma.API) {
	store := &probe{run: s.opt.Store}
	engine := &probe{}
	if s.opt.Engine != nil {
		engine.run = s.opt.Engine.Probe
	}
	handle(a, route{method: http.MethodGet, path: api.PathHealth, name: "get-health",
		summary: "Whether the daemon, its store and the engine are well; 503 if the daemon or its store is not"},
		func(ctx context.Context, _ identity.Caller, in *healthIn) (*healthOut, error) {
			ctx, cancel := context.WithTimeout(ctx, s.limits.Probe)
			defer cancel()
			h := api.Health{
				SchemaVersion: api.SchemaVersion, Version: version.String(), Status: partOK,
				Daemon: api.Part{Status: partOK},
				Store:  api.Part{Status: partUnused}, Engine: api.Part{Status: partUnused},
			}
			if in.Part == "" {
				h.Store, h.Engine = store.ask(ctx), engine.ask(ctx)
			}
			out := &healthOut{Status: http.StatusOK}
			if h.Store.Status == partFailed || h.Engine.Status == partFailed {
				h.Status = "degraded"
			}
			// Without the engine agentd is well: it serves templates and keeps its sessions, and nothing is mended by
			// starting it anew.
			if h.Store.Status == partFailed {
				out.Status, out.RetryAfter = http.StatusServiceUnavailable, "1"
			}
			out.Body = h
			return out, nil
		})
}

// probe asks one part at a time: a part that hangs (a dead disk) holds one goroutine, however often it is asked.
type probe struct {
	run func(context.Context) error

	mu sync.Mutex
	// pending is the answer that is still awaited, and since when.
	pending chan error
	since   time.Time
}

func (p *probe) ask(ctx context.Context) api.Part {
	if p.run == nil {
		return api.Part{Status: partUnused}
	}
	answer, since := p.begin(ctx)
	select {
	case err := <-answer:
		// Others may wait for the same answer.
		answer <- err
		if err != nil {
			return api.Part{Status: partFailed, Detail: err.Error()}
		}
		return api.Part{Status: partOK}
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return api.Part{Status: partFailed, Detail: "nobody waited for the answer"}
		}
		return api.Part{Status: partFailed, Detail: "no answer since " + since.UTC().Format(time.RFC3339)}
	}
}

func (p *probe) begin(ctx context.Context) (chan error, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending != nil {
		return p.pending, p.since
	}
	answer := make(chan error, 1)
	p.pending, p.since = answer, time.Now()
	// One asker's leaving must not end what others wait for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	go func() {
		defer cancel()
		err := p.run(ctx)
		p.mu.Lock()
		p.pending = nil
		p.mu.Unlock()
		answer <- err
	}()
	return answer, p.since
}
