package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"

	"agentd/internal/identity"
)

// connections counts the open connections of each uid.
type connections struct {
	limit int

	mu    sync.Mutex
	byUID map[uint32]int
	// open holds whose each counted connection is.
	open map[net.Conn]uint32
}

func newConnections(limit int) *connections {
	return &connections{limit: limit, byUID: make(map[uint32]int), open: make(map[net.Conn]uint32)}
}

type overKey struct{}

// over reports whether the connection of a request is one too many.
func over(ctx context.Context) bool { return ctx.Value(overKey{}) != nil }

// admit counts a new connection. One over the limit is marked, to be answered with busy; one over twice the limit is
// closed: its client holds the others without sending a request. agentd's own (the watchdog's) are not counted.
func (c *connections) admit(ctx context.Context, conn net.Conn) context.Context {
	caller, ok := identity.From(ctx)
	if !ok || int(caller.PID) == os.Getpid() {
		return ctx
	}
	c.mu.Lock()
	c.byUID[caller.UID]++
	n := c.byUID[caller.UID]
	c.open[conn] = caller.UID
	c.mu.Unlock()
	switch {
	case n > 2*c.limit:
		conn.Close() //nolint:errcheck // the server finds it closed and cleans up after it
	case n > c.limit:
		return context.WithValue(ctx, overKey{}, true)
	}
	return ctx
}

// changed is http.Server.ConnState: it lets go of a connection that has ended.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	uid, ok := c.open[conn]
	if !ok {
		return
	}
	delete(c.open, conn)
	if c.byUID[uid]--; c.byUID[uid] == 0 {
		delete(c.byUID, uid)
	}
}
