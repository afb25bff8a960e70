// Package removetree removes a directory tree without ever leaving it: no symbolic link is followed, and what is
// mounted inside, even a bind mount of the same filesystem, stays as it is and is reported.
//
// os.RemoveAll looks at neither: it empties a live bind mount first and fails on the mount point afterwards, when the
// files of somebody's home are gone.
package removetree

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// ErrMounted is in the error of a tree that something is mounted in: nothing behind a mount point is touched.
var ErrMounted = errors.New("something is mounted there")

// maxDepth bounds the directories that are open at the same time: one that lies deeper is moved to the top first.
const maxDepth = 64

// maxErrors bounds the errors that are reported of one tree.
const maxErrors = 16

// Remove removes path and all that is below it; a path that is not there is no error. What cannot be removed is
// reported, with as much of the rest removed as possible. The directory that holds path is trusted: it is the caller's
// own. Remove does not sync that directory.
func Remove(ctx context.Context, path string) error {
	path = filepath.Clean(path)
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: open its directory: %w", path, err)
	}
	defer unix.Close(parent) //nolint:errcheck // a descriptor of O_PATH has nothing to lose
	w := &walk{ctx: ctx, top: -1}
	w.remove(parent, filepath.Base(path), path, 0)
	return errors.Join(w.errs...)
}

// walk is one removal.
type walk struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of Remove
	// top is the descriptor of the tree's own directory, -1 before it is open; moved counts what was moved there.
	top   int
	moved int
	// errs are the first of the failures, failures is the number of all.
	errs     []error
	failures int
}

// fail keeps an error for the report.
func (w *walk) fail(path string, err error) {
	w.failures++
	if len(w.errs) < maxErrors {
		w.errs = append(w.errs, fmt.Errorf("remove %s: %w", path, err))
	}
}

// remove removes the entry name of the directory parent; path is for messages only.
func (w *walk) remove(parent int, name, path string, depth int) {
	if err := w.ctx.Err(); err != nil {
		w.fail(path, err)
		return
	}
	err := unlink(parent, name, 0)
	if errors.Is(err, unix.EACCES) && depth > 0 && openUp(parent, ".") == nil {
		err = unlink(parent, name, 0)
	}
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
	case errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM):
		// EPERM is what POSIX says for a directory; for anything else the next step tells.
		w.directory(parent, name, path, depth)
	case errors.Is(err, unix.EBUSY):
		w.fail(path, ErrMounted)
	default:
		w.fail(path, err)
	}
}

// directory removes a directory with all that is in it.
func (w *walk) directory(parent int, name, path string, depth int) {
	if depth >= maxDepth && w.lift(parent, name) {
		return
	}
	fd, err := open(parent, name)
	if errors.Is(err, unix.EACCES) && openUp(parent, name) == nil {
		fd, err = open(parent, name)
	}
	switch {
	case errors.Is(err, unix.EXDEV):
		w.fail(path, ErrMounted)
		return
	case errors.Is(err, unix.ENOENT):
		return
	case err != nil:
		w.fail(path, err)
		return
	}
	if w.top < 0 {
		w.top = fd
		defer func() { w.top = -1 }()
	}
	before := w.failures
	w.empty(fd, path, depth)
	unix.Close(fd) //nolint:errcheck // nothing was written through it
	if w.failures > before {
		return
	}
	if err := unlink(parent, name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		w.fail(path, err)
	}
}

// empty removes the entries of the directory fd, in passes until one finds nothing: entries may move in the listing
// while others are removed, and lift puts new ones into the top directory. A pass with a failure is the last.
func (w *walk) empty(fd int, path string, depth int) {
	for before, found := w.failures, true; found && w.failures == before; {
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			w.fail(path, err)
			return
		}
		found = false
		for names, err := range list(fd) {
			if err != nil {
				w.fail(path, err)
				return
			}
			found = found || len(names) > 0
			for _, name := range names {
				w.remove(fd, name, filepath.Join(path, name), depth+1)
			}
		}
	}
}

// lift moves a directory that lies too deep to the top of the tree, where it is removed with what is found there.
func (w *walk) lift(parent int, name string) bool {
	w.moved++
	err := unix.Renameat2(parent, name, w.top, ".lifted-"+strconv.Itoa(w.moved), unix.RENAME_NOREPLACE)
	return err == nil
}
