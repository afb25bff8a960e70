package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Exec runs a command in a session and returns the connection to it, for frame.Stream: the request has been sent. ctx
// bounds only the way to there.
func (c *Client) Exec(ctx context.Context, ref string, e frame.Exec) (net.Conn, error) {
	return c.send(ctx, api.PathSessionExec, ref, frame.Request{Op: frame.OpExec, Exec: &e})
}

// upgrade sends r on a connection of its own, which is the caller's from the answer 101 on.
func (c *Client) upgrade(ctx context.Context, r request) (net.Conn, error) {
	req, err := c.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, headerTimeout)
	defer cancel()
	conn, err := dial(ctx, c.sockets)
	if err != nil {
		return nil, transportError(ctx, req, err)
	}
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection fails by itself
	})
	upgraded, err := c.shake(conn, req)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close() //nolint:errcheck // it is of no use any more
		return nil, transportError(ctx, req, err)
	}
	return upgraded, nil
}

// shake sends the request and reads the answer's header.
func (c *Client) shake(conn net.Conn, req *http.Request) (net.Conn, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is written to it
	c.compareVersions(resp.Header.Get(api.VersionHeader))
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxStreamLine))
		if err != nil {
			return nil, err
		}
		return nil, problem(req, resp, body)
	}
	if !strings.EqualFold(resp.Header.Get("Upgrade"), api.FrameProtocol) {
		return nil, errs.New(errs.Unavailable, "%s: the connection became %q, not %s",
			req.URL.Path, resp.Header.Get("Upgrade"), api.FrameProtocol)
	}
	if r.Buffered() == 0 {
		return conn, nil // as it is, the kernel can copy from it
	}
	return &upgradedConn{Conn: conn, r: r}, nil
}

// upgradedConn is a connection of which some bytes may have been read along with the answer's header.
type upgradedConn struct {
	net.Conn
	r *bufio.Reader
}

// Read reads on.
func (u *upgradedConn) Read(p []byte) (int, error) { return u.r.Read(p) }

// CloseWrite ends the direction to the session.
func (u *upgradedConn) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
