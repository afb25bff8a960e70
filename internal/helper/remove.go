package helper

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// RemoveRequest names a tree to remove.
type RemoveRequest struct {
	// Root is the absolute directory that it lies beneath; Path is relative to it and may not be ".".
	Root string `json:"root"`
	Path string `json:"path"`
}

// Remove removes a file or a whole tree as the caller, as [RemoveTree] does.
func (s *Session) Remove(ctx context.Context, req RemoveRequest) error {
	return s.Do(ctx, OpRemove, req, nil, nil)
}

func serveRemove(_ context.Context, c *Call) (any, error) {
	var req RemoveRequest
	if err := c.Decode(&req); err != nil {
		return nil, err
	}
	return struct{}{}, RemoveTree(req.Root, req.Path)
}

// RemoveTree removes path beneath root: what is not there is no error, symbolic links are removed and never followed,
// directories without the owner's rights are given them first. It never enters a mount, a bind of the same file system
// included: that is errs.Conflict, and what lies before it may be gone by then.
func RemoveTree(root, path string) error {
	name := filepath.Join(root, path)
	if path = filepath.Clean(path); path == "." || !filepath.IsLocal(path) {
		return errs.New(errs.Invalid, "remove %s: it must lie beneath %s", name, root)
	}
	top, err := openRoot(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fileError("remove", name, err)
	}
	defer top.Close() //nolint:errcheck // opened by O_PATH only
	parent, base := filepath.Split(path)
	dir, err := openBeneath(int(top.Fd()), filepath.Clean("./"+parent), removeHow())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fileError("remove", name, err)
	}
	r := remover{top: dir, base: base}
	defer unix.Close(dir) //nolint:errcheck // nothing was written
	if err := r.all(); err != nil {
		if errors.Is(err, unix.EXDEV) {
			err = errors.New("something is mounted in it")
			return errs.New(errs.Conflict, "remove %s as uid %d: %w", name, os.Geteuid(), err).
				WithHint("unmount it first")
		}
		return fileError("remove", name, err)
	}
	return nil
}

func removeHow() unix.OpenHow {
	return unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
}

// maxRemoveDepth bounds the descriptors that are open at once. What lies deeper is moved up first: a tree can be deeper
// than any limit of descriptors, and than any path.
const maxRemoveDepth = 64

// remover removes one tree; top is the directory that it lies in, under the name base.
type remover struct {
	top  int
	base string
	// moved are the names in top of what lay too deep.
	moved []string
}

func (r *remover) all() error {
	r.moved = []string{r.base}
	for i := 0; i < len(r.moved); i++ {
		if err := r.remove(r.top, r.moved[i], 0); err != nil {
			return err
		}
	}
	return nil
}

func (r *remover) remove(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if depth == maxRemoveDepth {
		up := r.base + ".deep" + strconv.Itoa(len(r.moved))
		r.moved = append(r.moved, up)
		return unix.Renameat(dir, name, r.top, up)
	}
	fd, err := openBeneath(dir, name, removeHow())
	if errors.Is(err, fs.ErrPermission) {
		// Of the caller's own, but without the right to list it. O_PATH needs none, and a link is not followed.
		if err = r.grant(dir, name); err == nil {
			fd, err = openBeneath(dir, name, removeHow())
		}
	}
	if err != nil {
		return err
	}
	if err := r.empty(fd, name, depth); err != nil {
		return err
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// empty removes all that is in the directory fd and closes it.
func (r *remover) empty(fd int, name string, depth int) error {
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() //nolint:errcheck // nothing was written
	granted := false
	for {
		names, err := f.Readdirnames(256)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, n := range names {
			err := r.remove(fd, n, depth+1)
			if errors.Is(err, fs.ErrPermission) && !granted {
				granted = true
				if err := unix.Fchmod(fd, 0o700); err != nil {
					return err
				}
				err = r.remove(fd, n, depth+1)
			}
			if err != nil {
				return err
			}
		}
		// What was read is gone; begin again, since the position in a directory that changes means little.
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

func (r *remover) grant(dir int, name string) error {
	how := removeHow()
	how.Flags = unix.O_PATH | unix.O_DIRECTORY
	fd, err := openBeneath(dir, name, how)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // opened by O_PATH only
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700)
}
