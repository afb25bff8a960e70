package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/identity"
)

const (
	// maxUpgraded bounds the upgraded connections of one uid that agentd still holds: they no longer count among his
	// requests.
	maxUpgraded = 256
	// requestTimeout bounds the wait for the request on an upgraded connection, and its way to the session.
	requestTimeout = 10 * time.Second
)

type upgradeIn struct {
	SessionParam
	Upgrade string `header:"Upgrade" doc:"agentd-frame"`
}

// otherEnd is who an upgraded connection is for.
type otherEnd interface {
	// Take performs the request, as the client has sent it, on the client's connection, whose descriptor is fd.
	Take(ctx context.Context, req json.RawMessage, fd int) error
	Close() error
}

// upgrades serves the routes whose connections are handed over.
type upgrades struct {
	sessionRoutes
	held *upgraded
}

// register registers a route whose connection goes on in frames, for the given operations.
func (u upgrades) register(
	a huma.API, r route, open func(context.Context, identity.Caller, *upgradeIn) (otherEnd, error), ops ...string,
) {
	op := r.operation()
	op.Responses = map[string]*huma.Response{"101": {
		Description: "the connection goes on in the frames of package frame: the client's first one is its request, for " +
			strings.Join(ops, " or "),
	}}
	huma.Register(a, op, func(ctx context.Context, in *upgradeIn) (*huma.StreamResponse, error) {
		caller, ok := identity.From(ctx)
		if !ok {
			return nil, failure{errs.New(errs.Forbidden, "who calls is not known")}
		}
		if !u.held.take(caller.UID) {
			return nil, failure{errs.New(errs.Busy, "you hold %d connections to sessions already", maxUpgraded)}
		}
		end, err := open(ctx, caller, in)
		if err != nil {
			u.held.release(caller.UID)
			return nil, failure{classify(ctx, err)}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer u.held.release(caller.UID)
			defer end.Close() //nolint:errcheck // it has what it needs, or the connection is over
			if err := u.handOver(c, end, ops); err != nil {
				u.s.log.DebugContext(ctx, "a connection could not be handed over", "session", in.Ref, "error", err)
			}
		}}, nil
	})
}

// upgrading refuses a request that does not want what these routes do.
func (in *upgradeIn) upgrading() error {
	if strings.EqualFold(in.Upgrade, api.FrameProtocol) {
		return nil
	}
	return errs.New(errs.Invalid, "this route only upgrades a connection: send Connection: Upgrade and Upgrade: %s",
		api.FrameProtocol)
}

// handOver answers 101, reads the request, and gives the client's connection away: from then on a restart of agentd is
// nothing to it. What fails before that is the connection's last frame.
func (u upgrades) handOver(c huma.Context, end otherEnd, ops []string) error {
	w, ok := c.BodyWriter().(http.ResponseWriter)
	if !ok {
		return errors.New("there is no connection to upgrade")
	}
	if rec, ok := w.(*recorder); ok {
		rec.begins(http.StatusSwitchingProtocols)
	}
	header := w.Header().Clone()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err //nolint:wrapcheck // it is logged with all that is known
	}
	defer client.Close()                               //nolint:errcheck // who goes on with it has a copy
	client.SetDeadline(time.Now().Add(requestTimeout)) //nolint:errcheck // a closed connection fails at once
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", api.FrameProtocol)
	answer := http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: header}
	if err := answer.Write(client); err != nil {
		return err //nolint:wrapcheck // see above
	}
	early, err := buffered.Peek(buffered.Reader.Buffered())
	if err != nil {
		return err //nolint:wrapcheck // see above
	}
	if err := u.give(client, bytes.NewReader(early), end, ops); err != nil {
		frame.NewWriter(client).WriteJSON(frame.TypeError, frame.FailureOf(err)) //nolint:errcheck // he may be gone
		return err
	}
	return nil
}

// give takes the request from the client, and lets the other end perform it; early is what was read of it already.
func (u upgrades) give(client net.Conn, early *bytes.Reader, end otherEnd, ops []string) error {
	conn, ok := client.(syscall.Conn)
	if !ok {
		return errs.New(errs.Internal, "%T cannot be handed over", client)
	}
	op, req, err := frame.ReadRequest(io.MultiReader(early, client))
	if err != nil {
		return err //nolint:wrapcheck // it says what came
	}
	if early.Len() > 0 {
		return errs.New(errs.Invalid, "more than the request came before the answer to the upgrade")
	}
	if !slices.Contains(ops, op) {
		return errs.New(errs.Invalid, "operation %q: this route is for %s", op, strings.Join(ops, " and "))
	}
	client.SetDeadline(time.Time{}) //nolint:errcheck // a closed connection fails at once
	raw, err := conn.SyscallConn()
	if err != nil {
		return errs.New(errs.Internal, "hand over: %w", err)
	}
	var refused error
	//nolint:contextcheck // of the server: a client who goes away while he is handed over is found out by who gets him
	err = raw.Control(func(fd uintptr) { refused = end.Take(u.s.life, req, int(fd)) })
	return errors.Join(err, refused)
}

// initEnd is the agentd-init of a running session: it adopts the connection.
type initEnd struct{ *net.UnixConn }

// Take hands the connection over. A stop of the server does not end that in the middle: whose the connection is then would
// not be known.
func (e initEnd) Take(ctx context.Context, req json.RawMessage, fd int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return frame.Hand(ctx, e.UnixConn, req, fd) //nolint:wrapcheck // it names the session's init
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
