package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// maxUpgraded bounds the upgraded connections of one uid: they no longer count among his requests.
const maxUpgraded = 256

type execIn struct {
	SessionParam
	Upgrade string `header:"Upgrade" doc:"agentd-frame"`
}

// registerExec registers the route whose connection becomes the session's own.
func (s *Server) registerExec(
	a huma.API, r route, dial func(context.Context, identity.Caller, *execIn) (*net.UnixConn, error),
) {
	op := r.operation()
	op.Responses = map[string]*huma.Response{"101": {
		Description: "the connection goes on in the frames of package frame: the client's first one is its request",
	}}
	held := &upgraded{byUID: map[uint32]int{}}
	huma.Register(a, op, func(ctx context.Context, in *execIn) (*huma.StreamResponse, error) {
		caller, ok := identity.From(ctx)
		if !ok {
			return nil, failure{errs.New(errs.Forbidden, "who calls is not known")}
		}
		if !held.take(caller.UID) {
			return nil, failure{errs.New(errs.Busy, "you hold %d commands in sessions already", maxUpgraded)}
		}
		inside, err := dial(ctx, caller, in)
		if err != nil {
			held.release(caller.UID)
			return nil, failure{classify(ctx, err)}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer held.release(caller.UID)
			defer inside.Close() //nolint:errcheck // both directions are over
			if err := upgrade(c, inside); err != nil {
				s.log.DebugContext(ctx, "an upgraded connection ended", "session", in.Ref, "error", err)
			}
		}}, nil
	})
}

// exec finds the session as the caller and reaches its agentd-init.
func (x sessionRoutes) exec(ctx context.Context, caller identity.Caller, in *execIn) (*net.UnixConn, error) {
	if !strings.EqualFold(in.Upgrade, api.FrameProtocol) {
		return nil, errs.New(errs.Invalid, "this route only upgrades a connection: send Connection: Upgrade and Upgrade: %s",
			api.FrameProtocol)
	}
	rec, _, err := x.Finder.Find(caller, in.Ref)
	if err != nil {
		return nil, err
	}
	if rec.Status != session.Running && rec.Status != session.Creating {
		return nil, errs.New(errs.Conflict, "session %s (%s) is %s: only a running one can run commands",
			rec.Plan.Name, rec.ID, rec.Status)
	}
	conn, err := x.dial(ctx, rec)
	if err != nil && rec.Status == session.Creating {
		return nil, errs.New(errs.Conflict, "session %s (%s) is only just being made: %w", rec.Plan.Name, rec.ID, err).
			WithHint("try again when it runs: ctl session wait %s --for RUNNING", rec.ID)
	}
	return conn, err
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

// upgrade answers 101 and joins the client's connection with the session's, byte for byte.
func upgrade(c huma.Context, inside *net.UnixConn) error {
	w, ok := c.BodyWriter().(http.ResponseWriter)
	if !ok {
		return errors.New("there is no connection to upgrade")
	}
	if rec, ok := w.(*recorder); ok {
		rec.status = http.StatusSwitchingProtocols
	}
	header := w.Header().Clone()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err //nolint:wrapcheck // it is logged with all that is known
	}
	defer client.Close() //nolint:errcheck // both directions are over
	if err := client.SetDeadline(time.Time{}); err != nil {
		return err //nolint:wrapcheck // see above
	}
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", api.FrameProtocol)
	answer := http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: header}
	if err := answer.Write(client); err != nil {
		return err //nolint:wrapcheck // see above
	}
	early, err := buffered.Peek(buffered.Reader.Buffered())
	if err == nil {
		_, err = inside.Write(early)
	}
	if err != nil {
		return err //nolint:wrapcheck // see above
	}
	join(client, inside)
	return nil
}

// join copies both ways until both directions have ended. The end of one is passed on; the failure of one ends both.
func join(client net.Conn, inside *net.UnixConn) {
	var wg sync.WaitGroup
	wg.Go(func() { forward(inside, client) })
	wg.Go(func() { forward(client, inside) })
	wg.Wait()
}

// forward copies until the source ends. The kernel does it, without our memory, where it can.
func forward(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err == nil && ok && half.CloseWrite() == nil {
		return
	}
	to.Close()   //nolint:errcheck // nothing more can be done for it
	from.Close() //nolint:errcheck // the other direction has to end too
}

// upgraded counts the upgraded connections of each uid.
type upgraded struct {
	mu    sync.Mutex
	byUID map[uint32]int
}

func (u *upgraded) take(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byUID[uid] >= maxUpgraded {
		return false
	}
	u.byUID[uid]++
	return true
}

func (u *upgraded) release(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byUID[uid]--; u.byUID[uid] == 0 {
		delete(u.byUID, uid)
	}
}
