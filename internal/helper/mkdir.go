package helper

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// MkdirRequest names directories, or files as targets of mounts of files, to make.
type MkdirRequest struct {
	// Root is the absolute directory to make them in; it must be there.
	Root string `json:"root"`
	// Entries are made in order.
	Entries []Entry `json:"entries"`
}

// Entry is one thing to make, with the directories that lead to it.
type Entry struct {
	// Path is relative to the root.
	Path string `json:"path"`
	// File makes an empty file instead of a directory.
	File bool `json:"file,omitempty"`
	// Mode is the permission of all that is made for this entry; 0 means 0755, and 0644 for a file.
	Mode uint32 `json:"mode,omitempty"`
}

// Mkdir makes directories and empty files as the caller, following no symbolic link. What is there already, and is of
// the right kind, is left as it is. It returns the paths that were made, parents first, also when it fails, so that
// they can be removed again. Errors: errs.Conflict (a link, or something of another kind, is in the way),
// errs.Forbidden, errs.NoSpace.
func (s *Session) Mkdir(ctx context.Context, req MkdirRequest) ([]string, error) {
	var made []string
	for _, e := range req.Entries {
		m, _, err := ask[mkdirResult](ctx, s, Exchange{Op: OpMkdir, Request: mkdirOne{req.Root, e}})
		made = append(made, m.Made...)
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

type mkdirOne struct {
	Root  string `json:"root"`
	Entry Entry  `json:"entry"`
}

type mkdirResult struct {
	Made []string `json:"made"`
}

func serveMkdir(_ context.Context, c *Call) (any, error) {
	var req mkdirOne
	if err := c.Decode(&req); err != nil {
		return nil, err
	}
	root, err := openRoot(req.Root)
	if err != nil {
		return nil, fileError("make directory in", req.Root, err)
	}
	defer root.Close() //nolint:errcheck // opened by O_PATH only
	made, err := makeEntry(int(root.Fd()), req.Entry)
	if err == nil {
		return mkdirResult{Made: made}, nil
	}
	// All or nothing, so that the parent need not know what was made before the error.
	for _, path := range slices.Backward(made) {
		parent, base := filepath.Split(path)
		if fd, err := openBeneath(int(root.Fd()), filepath.Clean("./"+parent), dirHow()); err == nil {
			unix.Unlinkat(fd, base, unix.AT_REMOVEDIR) //nolint:errcheck // somebody has put something into it
			unix.Close(fd)                             //nolint:errcheck // nothing was written
		}
	}
	return nil, fileError("make", filepath.Join(req.Root, req.Entry.Path), err)
}

func dirHow() unix.OpenHow {
	return unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY, Resolve: unix.RESOLVE_NO_SYMLINKS}
}

// makeEntry returns what it made, parents first, also with an error.
func makeEntry(root int, e Entry) (made []string, err error) {
	if !filepath.IsLocal(e.Path) {
		return nil, errs.New(errs.Invalid, "the path leads out of the directory")
	}
	parts := strings.Split(filepath.Clean(e.Path), "/")
	dir, err := openBeneath(root, ".", dirHow())
	if err != nil {
		return nil, err
	}
	defer func() { unix.Close(dir) }() //nolint:errcheck // nothing was written
	for i, name := range parts {
		if name == "." {
			continue
		}
		path := strings.Join(parts[:i+1], "/")
		if e.File && i == len(parts)-1 {
			fresh, err := makeFile(dir, name, e.Mode)
			if fresh {
				made = append(made, path)
			}
			return made, err
		}
		fd, fresh, err := makeDir(dir, name, e)
		if fresh {
			made = append(made, path)
		}
		if err != nil {
			return made, err
		}
		unix.Close(dir) //nolint:errcheck // nothing was written
		dir = fd
	}
	return made, nil
}

// makeDir makes name in dir unless it is there, and opens it.
func makeDir(dir int, name string, e Entry) (fd int, fresh bool, err error) {
	mode := e.Mode
	if mode == 0 || e.File {
		mode = 0o755
	}
	err = unix.Mkdirat(dir, name, mode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return -1, false, err
	}
	fresh = err == nil
	if fd, err = openBeneath(dir, name, dirHow()); err != nil {
		return -1, fresh, err
	}
	if fresh {
		// The process's umask has taken bits away.
		if err = unix.Fchmod(fd, mode); err != nil {
			unix.Close(fd) //nolint:errcheck // nothing was written
			return -1, true, err
		}
	}
	return fd, fresh, nil
}

func makeFile(dir int, name string, mode uint32) (fresh bool, err error) {
	if mode == 0 {
		mode = 0o644
	}
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, mode)
	if errors.Is(err, fs.ErrExist) {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return false, err
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			return false, nil
		case unix.S_IFLNK:
			return false, unix.ELOOP
		}
		return false, errs.New(errs.Conflict, "there is something else than a file")
	}
	if err != nil {
		return false, err
	}
	f := os.NewFile(uintptr(fd), name)
	return true, errors.Join(unix.Fchmod(fd, mode), f.Close())
}
