package server

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
)

type sessionOut struct{ Body api.Session }

type terminateIn struct {
	SessionParam
	Body *api.TerminateRequest
}

func (x sessionRoutes) terminate(_ context.Context, caller identity.Caller, in *terminateIn) (*sessionOut, error) {
	rec, err := x.Ender.Terminate(caller, in.Ref, in.Body != nil && in.Body.Force)
	return &sessionOut{sessionView(rec, "")}, err
}

func (x sessionRoutes) remove(ctx context.Context, caller identity.Caller, in *SessionParam) (*sessionOut, error) {
	rec, err := x.Ender.Remove(ctx, caller, in.Ref)
	return &sessionOut{sessionView(rec, "")}, err
}
