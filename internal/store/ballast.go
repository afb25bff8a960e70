package store

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/layout"
)

// A deletion is a record and needs a little room. So that it works on a full disk, there are a few files to give up:
// each is room for several records, and an inode.
const (
	ballastFiles = 8
	ballastBytes = 32 << 10
)

// ballast is that reserve.
type ballast struct {
	state layout.State
	mu    sync.Mutex
}

// spend calls write, and once more after it gave up a piece of the reserve if there was no room.
func (b *ballast) spend(write func() error) error {
	err := write()
	if !errs.Is(err, errs.NoSpace) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range ballastFiles {
		if os.Remove(b.state.BallastFile(n)) != nil {
			continue
		}
		if err = write(); !errs.Is(err, errs.NoSpace) {
			return err
		}
	}
	return err
}

// refill makes the pieces that are missing, as far as there is room; it is tried again with every probe.
func (b *ballast) refill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range ballastFiles {
		if fill(b.state.BallastFile(n)) != nil {
			return
		}
	}
}

// fill makes one piece, or removes what there was no room for. Its content is nothing, so it is never synced.
func fill(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Size() == ballastBytes {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, layout.ModePrivate)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(file.Fd()), 0, 0, ballastBytes)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = file.Write(make([]byte, ballastBytes))
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
