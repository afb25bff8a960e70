package store

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/layout"
)

// takeLock takes the flock that says that an agentd runs on this state, and writes the process id into the file for
// whoever comes second. It goes with the process, whatever becomes of that. unclean is true if the last holder did not
// close the store.
func takeLock(state layout.State) (lock *os.File, unclean bool, err error) {
	const flags = os.O_RDWR | os.O_CREATE | unix.O_NOFOLLOW | unix.O_NONBLOCK
	lock, err = os.OpenFile(state.Lock(), flags, layout.ModePrivate)
	if err != nil {
		return nil, false, failure(err, "open the lock of the state directory")
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer lock.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, false, lockHeld(state, holder(lock))
		}
		return nil, false, failure(err, "lock %s", state.Lock())
	}
	unclean = holder(lock) != ""
	// On a full disk the number cannot be written: then a second agentd is refused without it.
	err = lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil && !errs.Is(failure(err, "write"), errs.NoSpace) {
		return nil, false, errors.Join(failure(err, "write %s", state.Lock()), lock.Close())
	}
	return lock, unclean, nil
}

// lockHeld says who has the state directory, and what to do.
func lockHeld(state layout.State, pid string) error {
	who := "another agentd"
	if pid != "" {
		who += " (pid " + pid + ")"
	}
	return errs.New(errs.Conflict, "%s runs on the state directory %s already", who, state).
		WithHint("use that one, stop it first (systemctl stop agentd), or give this one a state_dir of its own")
}

// holder returns what the lock file says about its holder; it is there for people, so anything goes.
func holder(lock *os.File) string {
	buf := make([]byte, 20)
	n, err := lock.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return strings.TrimSpace(string(buf[:n]))
}
