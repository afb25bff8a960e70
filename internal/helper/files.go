package helper

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Names of the operations that every child has.
const (
	OpOpen   = "open"
	OpMkdir  = "mkdir"
	OpRemove = "remove"
)

// Files are the operations on the caller's files, which are in every table: [Session.Open], [Session.Mkdir] and
// [Session.Remove] ask for them.
func Files() Table {
	return Table{OpOpen: serveOpen, OpMkdir: serveMkdir, OpRemove: serveRemove}
}

// codeOf gives the code for an error of the file system.
func codeOf(err error) errs.Code {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errs.NotFound
	case errors.Is(err, fs.ErrPermission):
		return errs.Forbidden
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return errs.NoSpace
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENOTDIR),
		errors.Is(err, unix.EBUSY), errors.Is(err, fs.ErrExist):
		return errs.Conflict
	case errors.Is(err, unix.ENOSYS):
		return errs.Unsupported
	}
	return errs.Internal
}

// reason replaces the two errors of openat2 whose usual text would mislead.
func reason(err error) error {
	switch {
	case errors.Is(err, unix.ELOOP):
		return errors.New("a symbolic link is in the way")
	case errors.Is(err, unix.EXDEV):
		return errors.New("it leads out of the directory that it must lie in")
	}
	return err
}

// openBeneath opens path, relative to dir, without leaving dir by any way; how.Resolve is added to that.
func openBeneath(dir int, path string, how unix.OpenHow) (int, error) {
	how.Flags |= unix.O_CLOEXEC
	how.Resolve |= unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(dir, path, &how)
		// EAGAIN: something was renamed meanwhile, and the kernel could not tell whether the path still lies beneath.
		if (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) && tries < 64 {
			continue
		}
		return fd, err
	}
}

// openRoot opens the directory that an operation must stay beneath.
func openRoot(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// fileError is an error about path, done by op as the process's own user.
func fileError(op, path string, err error) error {
	return errs.New(codeOf(err), "%s %s as uid %d: %w", op, path, os.Geteuid(), bare(err))
}

// bare takes the path off an error that is told with its path already.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return reason(err)
}

func ask[R any](ctx context.Context, s *Session, x Exchange) (R, []*os.File, error) {
	var result R
	x.Result = &result
	files, err := s.Exchange(ctx, x)
	return result, files, err
}
