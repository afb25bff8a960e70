// Package client is the Go client of agentd's API, over its Unix socket.
package client

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"agentd/internal/layout"
)

// headerTimeout bounds how long agentd may take to begin its answer.
const headerTimeout = time.Minute

// Options are what a [Client] knows of the process that it is part of.
type Options struct {
	// Socket is the one to use; if it is empty, the environment and then the usual places decide.
	Socket string
	// UID is the user of the process, and Getenv its environment: they lead to the usual places.
	UID    int
	Getenv func(string) string
	// Version is told to agentd; an agentd of another major version is warned about.
	Version string
	// Warn is told, at most once, that the versions do not fit; it may be nil.
	Warn func(text string)
}

// Client is safe for concurrent use. Its methods return errors of type [errs.Error], with the code that agentd gave.
type Client struct {
	sockets  []string
	http     *http.Client
	version  string
	warn     func(string)
	warnOnce sync.Once
}

// New makes a client; nothing is dialled before the first request.
func New(o Options) *Client {
	c := &Client{sockets: sockets(o), version: o.Version, warn: o.Warn}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, c.sockets)
			},
			DisableCompression:    true,
			ResponseHeaderTimeout: headerTimeout,
		},
		// agentd never redirects; what does is not agentd.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// sockets lists where to look, in order.
func sockets(o Options) []string {
	for _, named := range []string{o.Socket, o.Getenv(layout.SocketEnv)} {
		if named == "" {
			continue
		}
		if path, err := filepath.Abs(named); err == nil {
			named = path
		}
		return []string{named}
	}
	return layout.FindSocket(o.UID, o.Getenv)
}
