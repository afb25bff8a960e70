package witness

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// renames waits for files to be renamed into a directory.
type renames struct {
	file *os.File
	once sync.Once
	buf  [4096]byte
}

func watchRenames(dir string) (*renames, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW); err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was read from it
		return nil, fmt.Errorf("inotify %s: %w", dir, err)
	}
	// A non-blocking descriptor is waited for by the runtime's poller: no thread is held, and close wakes it.
	return &renames{file: os.NewFile(uintptr(fd), "inotify")}, nil
}

// next returns when something was renamed into the directory since the last call, or the watch is closed.
func (r *renames) next() error {
	_, err := r.file.Read(r.buf[:])
	return err
}

func (r *renames) close() {
	r.once.Do(func() { r.file.Close() }) //nolint:errcheck // a descriptor that was only read
}
