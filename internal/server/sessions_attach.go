package server

import (
	"context"
	"net"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// registerUpgrades registers the routes whose connections become the session's own.
func (x sessionRoutes) registerUpgrades(a huma.API, r func(path, name, summary string) route) {
	u := upgrades{sessionRoutes: x, held: &upgraded{byUID: map[uint32]int{}}}
	u.register(a, r(api.PathSessionExec, "exec-in-session",
		"Upgrade the connection to the frames of the session's agentd-init, for an exec"), x.inside, frame.OpExec)
	u.register(a, r(api.PathSessionAttach, "attach-to-session",
		"Upgrade the connection to join the running step's input and output, or to signal it"), x.inside,
		frame.OpAttach, frame.OpSignal)
	u.register(a, r(api.PathSessionForward, "forward-into-session",
		"Upgrade the connection to one that is made inside the session"), x.inside, frame.OpForward)
	u.register(a, r(api.PathSessionCopy, "copy-session-files",
		"Upgrade the connection to copy files in or out, also after the session's end"), x.files,
		frame.OpCopyIn, frame.OpCopyOut)
}

// inside finds the session as the caller and reaches its agentd-init.
func (x sessionRoutes) inside(ctx context.Context, caller identity.Caller, in *upgradeIn) (otherEnd, error) {
	if err := in.upgrading(); err != nil {
		return nil, err
	}
	rec, _, err := x.find(ctx, caller, in.Ref)
	if err != nil {
		return nil, err
	}
	return x.reach(ctx, rec)
}

// reach connects to the agentd-init of a running session.
func (x sessionRoutes) reach(ctx context.Context, rec session.Record) (otherEnd, error) {
	if rec.Status != session.Running && rec.Status != session.Creating {
		return nil, errs.New(errs.Conflict, "session %s (%s) is %s: nothing runs in it", rec.Plan.Name, rec.ID, rec.Status)
	}
	conn, err := x.dial(ctx, rec)
	if err != nil && rec.Status == session.Creating {
		return nil, errs.New(errs.Conflict, "session %s (%s) is only just being made: %w", rec.Plan.Name, rec.ID, err).
			WithHint("try again when it runs: ctl session wait %s --for RUNNING", rec.ID)
	}
	if err != nil {
		return nil, err
	}
	return initEnd{conn}, nil
}

// A session is RUNNING from the start of its container on, and its agentd-init listens a moment later.
const (
	initComing = 5 * time.Second
	initPause  = 20 * time.Millisecond
)

// dial reaches agentd-init; for a session that has only just been started it waits until somebody listens.
func (x sessionRoutes) dial(ctx context.Context, rec session.Record) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, initComing)
	defer cancel()
	fresh := rec.Status == session.Running && rec.Started != nil && time.Since(*rec.Started) < initComing
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		conn, err := x.Init.Dial(ctx, rec)
		if err == nil || !fresh || !errs.Is(err, errs.Unavailable) {
			return conn, err //nolint:wrapcheck // it names the session's socket
		}
		pause.Reset(initPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, err //nolint:wrapcheck // as above
		}
	}
}
