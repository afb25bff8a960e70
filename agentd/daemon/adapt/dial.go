package adapt

import (
	"context"
	"net"
	"os"

	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/initdial"
	"agentd/internal/layout"
	"agentd/internal/session"
)

// Inits reaches the agentd-init of running sessions.
type Inits struct {
	Host *Host

	firsts firsts
}

func (i *Inits) dir(rec session.Record) layout.Session {
	return i.Host.State.User(rec.Owner).Session(rec.ID)
}

// Dial connects to a session's agentd-init, and to nothing else that may be in its place.
func (i *Inits) Dial(ctx context.Context, rec session.Record) (*net.UnixConn, error) {
	dir, err := i.Open(rec)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // nothing was written to it
	conn, _, err := initdial.Dial(ctx, dir, initdial.Target{
		Session: rec.ID, Nonce: rec.Nonce,
		IsOurs: func(ctx context.Context, pid int) (bool, error) {
			return i.firsts.is(ctx, rec, pid, func(ctx context.Context) (int, error) {
				c, err := i.Host.Engine.Inspect(ctx, rec.Staged.ContainerID)
				return c.PID, err
			})
		},
	})
	return conn, err
}

// Open opens the session's run directory, to read its log.
func (i *Inits) Open(rec session.Record) (*os.File, error) {
	dir, err := beneath.Dir(i.dir(rec).Run())
	if err != nil {
		return nil, errs.New(errs.NotFound, "session %s has no files yet: %w", rec.ID, err)
	}
	return dir, nil
}
