package server

import (
	"context"
	"encoding/json"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// files finds the session as the caller, and who has its files: agentd-init while it runs, a child that is the owner
// once it has ended.
func (x sessionRoutes) files(ctx context.Context, caller identity.Caller, in *upgradeIn) (otherEnd, error) {
	if err := in.upgrading(); err != nil {
		return nil, err
	}
	rec, _, err := x.find(ctx, caller, in.Ref)
	switch {
	case err != nil:
		return nil, err
	case rec.Status.Final():
		return helperEnd{copier: x.Copier, rec: rec}, nil
	case rec.Status == session.Terminating:
		return nil, errs.New(errs.Conflict, "session %s (%s) is just ending", rec.Plan.Name, rec.ID).
			WithHint("its files can be had when it has ended: ctl session wait %s", rec.ID)
	}
	return x.reach(ctx, rec)
}

// helperEnd serves a copy after the session's end.
type helperEnd struct {
	copier fileCopier
	rec    session.Record
}

// Take copies; it returns at the end of it.
func (e helperEnd) Take(ctx context.Context, req json.RawMessage, fd int) error {
	return e.copier.Copy(ctx, e.rec, req, fd) //nolint:wrapcheck // it names what failed
}

// Close has nothing to let go of.
func (e helperEnd) Close() error { return nil }
