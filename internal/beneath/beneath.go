// Package beneath opens what lies directly in a directory that somebody hostile writes to: no link is followed, nothing
// is waited for, and what is opened is what was asked for.
package beneath

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir opens a directory to look beneath it. The path itself is trusted up to its last element, which may not be a link.
func Dir(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open directory", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Open opens name, which must be a single element, in dir with the given flags (of open(2), O_CLOEXEC and O_NONBLOCK are
// added), by openat2: it never leaves dir, follows no link and crosses into no other file system.
func Open(dir *os.File, name string, flags int, mode fs.FileMode) (*os.File, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return nil, &os.PathError{Op: "open beneath", Path: name, Err: fs.ErrInvalid}
	}
	how := &unix.OpenHow{
		// O_NONBLOCK: a FIFO in the place of a file must not stop us. O_NOCTTY: nor may a terminal become ours.
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_NOFOLLOW), //nolint:gosec // flags
		Mode:    uint64(mode.Perm()),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	if flags&unix.O_PATH != 0 {
		how.Flags = unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW
	}
	var fd int
	err := withFD(dir, func(at int) (err error) {
		for range 16 { // EAGAIN: a rename raced with the walk, the kernel asks us to try again
			fd, err = unix.Openat2(at, name, how)
			if err != unix.EAGAIN && err != unix.EINTR { //nolint:errorlint // a bare errno
				break
			}
		}
		if err == unix.ENOSYS || err == unix.EPERM { //nolint:errorlint // a bare errno
			// A filter of system calls (an old engine's) that does not know openat2. For a single element, O_NOFOLLOW
			// keeps the same promise, but for the mount on it.
			fd, err = unix.Openat(at, name, int(how.Flags), uint32(how.Mode)) //nolint:gosec // as above
		}
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open beneath", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Regular opens name in dir like [Open], and refuses everything but a regular file.
func Regular(dir *os.File, name string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := Open(dir, name, flags, mode)
	if err != nil {
		return nil, err
	}
	if err := checkMode(f, unix.S_IFREG); err != nil {
		f.Close() //nolint:errcheck // it is refused anyway
		return nil, err
	}
	return f, nil
}

// Socket opens name in dir for its identity only (O_PATH), and refuses everything but a socket.
func Socket(dir *os.File, name string) (*os.File, error) {
	f, err := Open(dir, name, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	if err := checkMode(f, unix.S_IFSOCK); err != nil {
		f.Close() //nolint:errcheck // it is refused anyway
		return nil, err
	}
	return f, nil
}

// ReadFile reads a regular file of at most limit bytes; a longer one is an error.
func ReadFile(dir *os.File, name string, limit int64) ([]byte, error) {
	f, err := Regular(dir, name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, nil
}

func checkMode(f *os.File, want uint32) error {
	var st unix.Stat_t
	if err := withFD(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return fmt.Errorf("fstat %s: %w", f.Name(), err)
	}
	if st.Mode&unix.S_IFMT != want {
		return fmt.Errorf("%s is of kind 0%o, not 0%o: %w", f.Name(), st.Mode&unix.S_IFMT, want, fs.ErrInvalid)
	}
	return nil
}

// withFD calls do with f's descriptor, and leaves f's mode of blocking as it is.
func withFD(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}
