package removetree

import (
	"errors"
	"iter"
	"strconv"

	"golang.org/x/sys/unix"
)

// inside makes the kernel refuse to leave the tree: by a mount point (bind mounts of the same filesystem too, which a
// comparison of device numbers misses), a symbolic link, or "..".
const inside = unix.RESOLVE_NO_XDEV | unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// open opens the directory name in parent for reading.
func open(parent int, name string) (int, error) {
	return openat2(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
}

// openat2 opens name in parent without leaving it.
func openat2(parent int, name string, flags uint64) (int, error) {
	for {
		fd, err := unix.Openat2(parent, name, &unix.OpenHow{Flags: flags, Resolve: inside})
		// EAGAIN: a rename somewhere disturbed the check of RESOLVE_BENEATH; openat2(2) says to try again.
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		return fd, err
	}
}

// openUp gives the owner of the directory name in parent his rights on it back; tools such as Go's module cache leave
// directories that their owner may not write to. The way over /proc is the one to change the mode of what is open
// (fchmod refuses O_PATH), and so of nothing else.
func openUp(parent int, name string) error {
	fd, err := openat2(parent, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor of O_PATH has nothing to lose
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700)
}

// unlink is unlinkat(2), whatever signals come.
func unlink(parent int, name string, flags int) error {
	for {
		err := unix.Unlinkat(parent, name, flags)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// list gives the names in the directory fd, from where it is read to its end, a buffer at a time.
func list(fd int) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		buf := make([]byte, 8<<10)
		for {
			n, err := unix.ReadDirent(fd, buf)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil:
				yield(nil, err)
				return
			case n <= 0:
				return
			}
			if _, _, names := unix.ParseDirent(buf[:n], -1, nil); !yield(names, nil) {
				return
			}
		}
	}
}
