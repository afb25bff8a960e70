// Package store keeps templates as files: readable, checksummed, each change all or nothing, damage local and healed
// from a second copy.
package store

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
)

// Store is the state directory of one running agentd. It is safe for concurrent use.
type Store struct {
	state      layout.State
	log        *slog.Logger
	lock       *os.File
	instanceID string
	nonceKey   []byte
	templates  *Templates
	damage     damageList
	ballast    ballast
	// disk does what is done for sessions.
	disk atomicfile.Disk
	// probing is held by the probe that is under way: one that hangs on a dead disk is never joined by a second.
	probing sync.Mutex
}

// Open takes the state directory for this process, which makes it if need be, and reads what is in it. A damaged file
// never makes it fail: it is set aside, and [Store.Damaged] tells. The error is a conflict if another agentd has the
// directory, unsupported if a newer one wrote it, no_space if there is no room for the few files of its own.
func Open(state layout.State, log *slog.Logger) (*Store, error) {
	return OpenOn(atomicfile.Disk{}, state, log)
}

// OpenOn is [Open], for a test that is told of each change that is made for a session.
func OpenOn(disk atomicfile.Disk, state layout.State, log *slog.Logger) (*Store, error) {
	if err := makeDirectories(state); err != nil {
		return nil, failure(err, "open the state directory %s", state)
	}
	lock, unclean, err := takeLock(state)
	if err != nil {
		return nil, err
	}
	s := &Store{state: state, log: log, lock: lock, disk: disk}
	s.ballast.state = state
	s.damage.restore(state)
	if err := s.load(unclean); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// makeDirectories makes those that are always there, with their modes: who must pass through may not list.
func makeDirectories(state layout.State) error {
	// The parents of the state directory, if they are missing too, are nobody's secret: they get the same mode.
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{
		{string(state), layout.ModePassDir},
		{state.Users(), layout.ModePassDir},
		{state.Quarantine(), layout.ModePrivateDir},
		{state.Ballast(), layout.ModePrivateDir},
	} {
		if err := atomicfile.MkdirAll(dir.path, dir.mode); err != nil {
			return err
		}
		// A state directory that is a symbolic link is its administrator's choice; what is in it is ours.
		path, err := filepath.EvalSymlinks(dir.path)
		if err != nil {
			return err
		}
		if err := atomicfile.EnsureMode(path, dir.mode); err != nil {
			return err
		}
	}
	return nil
}

// load reads what is in the state directory once the lock is held.
func (s *Store) load(unclean bool) error {
	if unclean {
		s.syncAll()
	}
	s.sweepTemps(string(s.state), s.writes)
	// What lies in the quarantine under its own name never begins with a dot.
	s.sweepTemps(s.state.Quarantine(), func(string) bool { return true })
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.loadInstanceID(); err != nil {
		return err
	}
	if err := s.loadNonceKey(); err != nil {
		return err
	}
	s.templates = newTemplates(s)
	if err := s.templates.load(); err != nil {
		return err
	}
	s.ballast.refill()
	return nil
}

// syncAll makes durable what a killed agentd left behind: it may have renamed a file and died before it synced the
// directory, and what is served from now on must not vanish with a power loss.
func (s *Store) syncAll() {
	dir, err := os.Open(string(s.state))
	if err == nil {
		err = errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
	}
	if err != nil {
		s.log.Error("sync the state directory after an unclean end", "error", err)
	}
}

// sweepTemps removes the temporary files that a crash left in a directory. A name that only looks like one of ours
// stays: what it was to become must be a file that is written here.
func (s *Store) sweepTemps(dir string, written func(name string) bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.log.Warn("look for leftovers", "directory", dir, "error", err)
		return
	}
	for _, e := range entries {
		if target, ok := atomicfile.TempOf(e.Name()); ok && e.Type().IsRegular() && written(target) {
			s.removeLeftover(filepath.Join(dir, e.Name()))
		}
	}
}

// writes reports whether the store writes files of that name.
func (s *Store) writes(name string) bool {
	if _, _, ok := layout.ParseRevision(name); ok {
		return true
	}
	for _, path := range []string{
		s.state.Format(), s.state.InstanceID(), s.state.InstanceIDCopy(), s.state.Probe(), s.state.NonceKey(),
	} {
		if name == filepath.Base(path) {
			return true
		}
	}
	return false
}

// removeLeftover removes a file that belongs to no acknowledged change.
func (s *Store) removeLeftover(path string) {
	if err := os.Remove(path); err != nil {
		s.log.Warn("remove a leftover", "file", path, "error", err)
		return
	}
	s.log.Info("removed a leftover of an unfinished change", "file", path)
}

// Close gives the state directory back. No method may be called after it.
func (s *Store) Close() error {
	// An empty lock file says that the end was clean. To close it is not enough: a child that has not come to its exec
	// yet has the descriptor too.
	err := s.lock.Truncate(0)
	return errors.Join(err, unix.Flock(int(s.lock.Fd()), unix.LOCK_UN), s.lock.Close())
}

// InstanceID is the random id of this state directory: 32 hex digits.
func (s *Store) InstanceID() string { return s.instanceID }

// Templates are the templates of all owners.
func (s *Store) Templates() *Templates { return s.templates }

// Damaged lists what was found damaged, the oldest first: since the quarantine was last emptied, and without those
// files only in this run. At most a thousand are listed.
func (s *Store) Damaged() []Damage { return s.damage.list() }

// failure turns an error of the filesystem into one for people.
func failure(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	e := errs.New(errs.Internal, format+": %w", append(args, err)...)
	switch {
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		e.Code = errs.NoSpace
		return e.WithHint("make room on the filesystem of the state directory (df, df -i); deleting and purging work")
	case errors.Is(err, unix.EROFS):
		return e.WithHint("the filesystem of the state directory is read-only: see dmesg for why")
	case errors.Is(err, unix.EIO):
		return e.WithHint("the disk of the state directory has a fault: see dmesg")
	}
	return e
}
