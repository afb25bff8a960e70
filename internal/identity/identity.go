// Package identity says who a caller is, as the kernel said it when he connected.
package identity

import (
	"context"
	"slices"
)

// Caller is the process at the other end of a connection, from SO_PEERCRED and SO_PEERGROUPS.
type Caller struct {
	// UID and GID are the effective ones at the time of connect.
	UID, GID uint32
	// Groups are the supplementary groups at the time of connect.
	Groups []uint32
	// PID is for the log only: it may have been used again since.
	PID int32
	// Admin is true for root, for the user that agentd runs as, and for members of the configured admin group.
	Admin bool
}

// In reports whether the caller is in group gid, as his own or as a supplementary one.
func (c Caller) In(gid uint32) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }

type key struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, c Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// From returns the caller that ctx carries, and false if there is none. Nothing may be done for nobody.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(key{}).(Caller)
	return c, ok
}
