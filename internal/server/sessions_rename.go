package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/session"
)

type sessionRenamer interface {
	// Rename gives a living session a name that no other living one of its owner has.
	Rename(caller identity.Caller, ref, name string) (session.Record, error)
}

type sessionRestarter interface {
	// Restart ends what runs of a session and begins it anew.
	Restart(caller identity.Caller, ref string) (session.Record, error)
}

type templateSaver interface {
	// SaveTemplate makes a template that makes such a session again.
	SaveTemplate(
		ctx context.Context, caller identity.Caller, ref string, req api.SaveTemplateRequest,
	) (api.SavedTemplate, error)
}

type saveIn struct {
	SessionParam
	Body api.SaveTemplateRequest
}

type saveOut struct{ Body api.SavedTemplate }

func (x sessionRoutes) save(ctx context.Context, caller identity.Caller, in *saveIn) (*saveOut, error) {
	saved, err := x.Saver.SaveTemplate(ctx, caller, in.Ref, in.Body)
	return &saveOut{saved}, err
}

type renameIn struct {
	SessionParam
	Body api.RenameRequest
}

func (x sessionRoutes) rename(_ context.Context, caller identity.Caller, in *renameIn) (*sessionOut, error) {
	rec, err := x.Renamer.Rename(caller, in.Ref, in.Body.Name)
	return &sessionOut{sessionView(rec, "")}, err
}

func (x sessionRoutes) restart(_ context.Context, caller identity.Caller, in *SessionParam) (*sessionOut, error) {
	rec, err := x.Restarter.Restart(caller, in.Ref)
	return &sessionOut{sessionView(rec, "")}, err
}

// registerDaily registers what is done with sessions that live.
func (x sessionRoutes) registerDaily(a huma.API, r func(method, path, name, summary string) route) {
	handle(a, r(http.MethodPost, api.PathSessionRename, "rename-session", "Give a living session another name"), x.rename)
	handle(a, r(http.MethodPost, api.PathSessionRestart, "restart-session",
		"End what runs of a session, and begin it anew"), x.restart)
	handle(a, r(http.MethodPost, api.PathSessionTemplate, "save-session-template",
		"Make a template of what a session is"), x.save)
}
