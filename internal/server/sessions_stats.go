package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

type usageReader interface {
	// Usage is what a session uses now; not_found if it has no container.
	Usage(rec session.Record) (api.SessionStats, error)
}

type statsOut struct{ Body api.SessionStats }

func (x sessionRoutes) stats(ctx context.Context, caller identity.Caller, in *SessionParam) (*statsOut, error) {
	rec, _, err := x.find(ctx, caller, in.Ref)
	if err != nil {
		return nil, err
	}
	stats, err := x.Usage.Usage(rec)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.Conflict, "session %s is %s: it uses nothing", rec.ID, rec.Status).
			WithHint("ctl session why %s", rec.ID)
	}
	return &statsOut{stats}, err
}

type allStatsIn struct {
	AllUsers bool `query:"all_users" doc:"everybody's sessions; for administrators only"`
}

type allStatsOut struct{ Body api.StatsList }

func (x sessionRoutes) allStats(_ context.Context, caller identity.Caller, in *allStatsIn) (*allStatsOut, error) {
	if err := administrator(caller, in.AllUsers, "use"); err != nil {
		return nil, err
	}
	return &allStatsOut{api.StatsList{Stats: x.used(caller, in.AllUsers)}}, nil
}

// used reads the use of all living sessions that have any; one that ends meanwhile is left out.
func (s Sessions) used(caller identity.Caller, all bool) []api.SessionStats {
	list := []api.SessionStats{}
	for _, rec := range s.Finder.List(caller, all, false) {
		if stats, err := s.Usage.Usage(rec); err == nil {
			list = append(list, stats)
		}
	}
	return list
}

func (x sessionRoutes) registerStats(a huma.API, r func(method, path, name, summary string) route) {
	handle(a, r(http.MethodGet, api.PathSessionStats, "get-session-stats", "What a session uses now"), x.stats)
	handle(a, r(http.MethodGet, api.PathStats, "get-stats", "What the caller's sessions use now"), x.allStats)
}
