package adapt

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/server"
	"agentd/internal/supervisor"
)

// Requests turns launches as they come over the wire into those of the supervisor.
type Requests struct {
	Supervisor *supervisor.Supervisor
	Resolver   interface {
		Resolve(ctx context.Context, c identity.Caller, r supervisor.Request) (plan.Resolved, launch.Secrets, error)
	}
}

// Launch accepts a session.
func (r Requests) Launch(
	ctx context.Context, caller identity.Caller, req api.LaunchRequest, key string,
) (server.Launched, error) {
	want, err := r.request(caller, req)
	if err != nil {
		return server.Launched{}, err
	}
	want.Key = key
	got, err := r.Supervisor.Launch(ctx, caller, want)
	return server.Launched{
		Record: got.Record, Created: got.Created, Array: got.Array, Sequence: got.Sequence,
	}, err
}

// Plan resolves a request and launches nothing.
func (r Requests) Plan(ctx context.Context, caller identity.Caller, req api.LaunchRequest) (plan.Resolved, error) {
	want, err := r.request(caller, req)
	if err != nil {
		return plan.Resolved{}, err
	}
	resolved, _, err := r.Resolver.Resolve(ctx, caller, want)
	return resolved, err
}

func (r Requests) request(caller identity.Caller, req api.LaunchRequest) (supervisor.Request, error) {
	want := supervisor.Request{
		Template: req.Template, Revision: req.Revision, Overrides: req.Overrides, NoReuse: req.NoReuse,
	}
	want.Queue = supervisor.Queueing{
		Priority: req.Priority, StartsAt: req.StartsAt, Depends: req.Depends, DependsAny: req.DependsAny, Remove: req.Remove,
	}
	if r := req.Array; r != nil {
		want.Queue.Array = &supervisor.ArrayRange{First: r.First, Last: r.Last, Parallel: r.Parallel}
	}
	if g := req.Git; g != nil {
		want.Secrets.GitUsername, want.Secrets.GitPassword = g.Username, g.Password
		want.Secrets.SSHAuthSock = g.SSHAuthSock
	}
	if l := req.Registry; l != nil {
		want.Secrets.RegistryUsername, want.Secrets.RegistryPassword = l.Username, l.Password
		want.Secrets.RegistryIdentityToken = l.IdentityToken
	}
	if req.Session != "" {
		rec, _, err := r.Supervisor.Find(caller, req.Session)
		if err != nil {
			return want, err
		}
		want.Again = &rec
	}
	return want, nil
}
