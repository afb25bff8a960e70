// Package adapt joins the adapters (engine, helper, checkout, binder, cgroup) with what the control packages ask for.
package adapt

import (
	"context"
	"sync"

	"agentd/internal/engine"
	"agentd/internal/helper"
	"agentd/internal/identity"
	"agentd/internal/layout"
	"agentd/internal/plan"
)

// Host is what the adapters share: this machine, this instance of agentd, and the engine.
type Host struct {
	Engine   *engine.Engine
	Instance string
	State    layout.State
	// Root is true if agentd is root and serves all users.
	Root bool
	// Helper starts children that are the caller, with all of [Operations]; Files, others that begin sooner and know files
	// alone.
	Helper, Files helper.Starter
	// Nonce makes what proves that a container of that session, or of that name, is this agentd's.
	Nonce func(id string) string

	// probing are the names of the containers that look into images now.
	probing sync.Map
	infoMu  sync.Mutex
	info    *engine.Info
}

// Forget makes the next question for [Host.Info] reach the engine: it was restarted, and may be another one.
func (h *Host) Forget() {
	h.infoMu.Lock()
	defer h.infoMu.Unlock()
	h.info = nil
}

// Info is what the engine says of itself; it is asked once, and again after it has failed to answer.
func (h *Host) Info(ctx context.Context) (engine.Info, error) {
	h.infoMu.Lock()
	defer h.infoMu.Unlock()
	if h.info == nil {
		info, err := h.Engine.Info(ctx)
		if err != nil {
			return engine.Info{}, err
		}
		h.info = &info
	}
	return *h.info, nil
}

// as is the caller that a child shall be.
func as(u plan.User) identity.Caller {
	return identity.Caller{UID: u.UID, GID: u.GID, Groups: u.Groups}
}

// help runs f with a child that is u, for what is to be done with files. It takes no context: the end of a child is
// waited for whatever became of one, and what f asks of the child has its own.
func (h *Host) help(u plan.User, f func(*helper.Session) error) error { return helpBy(h.Files, u, f) }

func helpBy(starter helper.Starter, u plan.User, f func(*helper.Session) error) error {
	s, err := starter.Start(as(u))
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // what it was asked for has been answered
	return f(s)
}
