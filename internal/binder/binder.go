// Package binder holds the sources of mounts for the engine: what was opened once, as the caller, reaches the container,
// and nothing that is put in its place afterwards.
package binder

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Source is an opened file or directory that shall be mounted.
type Source struct {
	// Session and Index name the bind: one index a mount of the session's plan.
	Session string
	Index   int
	// File was opened with O_PATH as the caller. The binder does not close it.
	File *os.File
	// ReadOnly makes the mount read-only, recursively.
	ReadOnly bool
}

// Bound is what the engine is given: a path of the host, or the name of a volume; the other one is empty.
type Bound struct {
	Path, Volume string
}

// Binder is one way of holding sources. There are two: [Mounts] for root, [Volumes] for an ordinary user.
type Binder interface {
	// Bind holds a source. A bind of the same session and index is replaced.
	Bind(ctx context.Context, s Source) (Bound, error)
	// Release lets go of all that a session has. It is safe twice, and needs no memory of this process.
	Release(ctx context.Context, session string) error
	// Sessions lists the sessions that have binds, for a reconcile.
	Sessions(ctx context.Context) ([]string, error)
}

// bindName is SESSION-INDEX; a session's id has no hyphen.
func bindName(session string, index int) string { return fmt.Sprintf("%s-%d", session, index) }

// sessionOf is the inverse of bindName.
func sessionOf(name string) (string, bool) {
	session, index, ok := strings.Cut(name, "-")
	if !ok || session == "" {
		return "", false
	}
	if _, err := strconv.Atoi(index); err != nil {
		return "", false
	}
	return session, true
}
