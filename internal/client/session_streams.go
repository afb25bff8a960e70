package client

import (
	"context"
	"net"
	"net/http"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/filecopy"
	"agentd/internal/frame"
)

// Attach joins the input and output of a session's running step and returns the connection, for frame.Stream.
func (c *Client) Attach(ctx context.Context, ref string, a frame.Attach) (net.Conn, error) {
	return c.send(ctx, api.PathSessionAttach, ref, frame.Request{Op: frame.OpAttach, Attach: &a})
}

// Signal sends a signal to a session's running step; name has no SIG.
func (c *Client) Signal(ctx context.Context, ref, name string) error {
	req := frame.Request{Op: frame.OpSignal, Signal: &frame.Signal{Name: name}}
	conn, err := c.stream(ctx, api.PathSessionAttach, ref)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has answered
	return frame.Do(ctx, conn, req, nil)
}

// HalfConn is a connection whose two directions end one by one.
type HalfConn interface {
	net.Conn
	CloseWrite() error
}

// Forward connects from inside a session; what comes back is that very connection. ctx bounds only the way to there.
func (c *Client) Forward(ctx context.Context, ref string, f frame.Forward) (HalfConn, error) {
	conn, err := c.stream(ctx, api.PathSessionForward, ref)
	if err != nil {
		return nil, err
	}
	half, ok := conn.(HalfConn)
	if !ok {
		err = errs.New(errs.Internal, "%T cannot end one direction", conn)
	} else {
		err = frame.Do(ctx, conn, frame.Request{Op: frame.OpForward, Forward: &f}, nil)
	}
	if err != nil {
		conn.Close() //nolint:errcheck // it is of no use any more
		return nil, err
	}
	return half, nil
}

// CopyIn begins a copy into a session, and returns the connection for filecopy.Send.
func (c *Client) CopyIn(ctx context.Context, ref string, to frame.Copy) (net.Conn, error) {
	conn, _, err := c.copy(ctx, ref, frame.Request{Op: frame.OpCopyIn, CopyIn: &to})
	return conn, err
}

// CopyOut begins a copy out of a session, and returns the connection for filecopy.Receive, and what is going to come.
func (c *Client) CopyOut(ctx context.Context, ref string, from frame.Copy) (net.Conn, filecopy.Source, error) {
	return c.copy(ctx, ref, frame.Request{Op: frame.OpCopyOut, CopyOut: &from})
}

func (c *Client) copy(ctx context.Context, ref string, req frame.Request) (net.Conn, filecopy.Source, error) {
	conn, err := c.stream(ctx, api.PathSessionCopy, ref)
	if err != nil {
		return nil, filecopy.Source{}, err
	}
	about, err := filecopy.Begin(ctx, conn, req)
	if err != nil {
		conn.Close() //nolint:errcheck // it is of no use any more
		return nil, about, err
	}
	return conn, about, nil
}

// send opens a stream and sends its request.
func (c *Client) send(ctx context.Context, path, ref string, req frame.Request) (net.Conn, error) {
	conn, err := c.stream(ctx, path, ref)
	if err != nil {
		return nil, err
	}
	if err := frame.Send(conn, req); err != nil {
		conn.Close() //nolint:errcheck // it is of no use any more
		return nil, err
	}
	return conn, nil
}

// stream opens a connection that goes on in frames.
func (c *Client) stream(ctx context.Context, path, ref string) (net.Conn, error) {
	return c.upgrade(ctx, request{
		method: http.MethodPost, path: path, ref: &Ref{Name: ref},
		header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {api.FrameProtocol}},
	})
}
