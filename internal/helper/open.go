package helper

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// OpenRequest names a file or directory of the caller's.
type OpenRequest struct {
	// Root is the absolute directory that the way must not leave; Path is relative to it, "." for Root itself.
	Root string `json:"root"`
	Path string `json:"path"`
	// Symlinks follows symbolic links as long as they stay beneath Root; otherwise one in the way is an error.
	Symlinks bool `json:"symlinks,omitempty"`
	// Write asks for the right to write as well; the right to read is always asked for.
	Write bool `json:"write,omitempty"`
}

// Opened is what was there.
type Opened struct {
	// Directory is false for a regular file; there is nothing else.
	Directory bool `json:"directory"`
	// Device and Inode identify it.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// Open opens a directory or regular file as the caller and hands back its O_PATH descriptor, which the receiver closes:
// it stays the same object whatever happens to the path. Errors: errs.NotFound, errs.Forbidden (no right to pass, read
// or, if asked for, write), errs.Conflict (a link is in the way, it leads out of Root, or it is neither of the two).
func (s *Session) Open(ctx context.Context, req OpenRequest) (*os.File, Opened, error) {
	o, files, err := ask[Opened](ctx, s, Exchange{Op: OpOpen, Request: req})
	if err != nil {
		return nil, Opened{}, err
	}
	if len(files) != 1 {
		closeAll(files)
		return nil, Opened{}, errs.New(errs.Internal, "%s: %d descriptors came back", s.what(OpOpen), len(files))
	}
	return files[0], o, nil
}

func serveOpen(_ context.Context, c *Call) (any, error) {
	var req OpenRequest
	if err := c.Decode(&req); err != nil {
		return nil, err
	}
	name := filepath.Join(req.Root, req.Path)
	root, err := openRoot(req.Root)
	if err != nil {
		return nil, fileError("open", req.Root, err)
	}
	defer root.Close() //nolint:errcheck // opened by O_PATH only
	how := unix.OpenHow{Flags: unix.O_PATH}
	if !req.Symlinks {
		how.Resolve = unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := openBeneath(int(root.Fd()), req.Path, how)
	if err != nil {
		return nil, fileError("open", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	o, err := examine(fd, req.Write)
	if err != nil {
		f.Close() //nolint:errcheck // opened by O_PATH only
		return nil, fileError("open", name, err)
	}
	c.Attach(f)
	return o, nil
}

// examine says what fd is. O_PATH proves no right to the object itself, so that is asked for here.
func examine(fd int, write bool) (Opened, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Opened{}, err
	}
	o := Opened{Device: st.Dev, Inode: st.Ino, Directory: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	mode := uint32(unix.R_OK)
	if o.Directory {
		mode |= unix.X_OK
	} else if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Opened{}, errs.New(errs.Conflict, "neither a directory nor a regular file")
	}
	if write {
		mode |= unix.W_OK
	}
	// access(2) judges by the real ids; they are the effective ones here.
	return o, unix.Access("/proc/self/fd/"+strconv.Itoa(fd), mode)
}
