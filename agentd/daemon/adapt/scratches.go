package adapt

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/atomicfile"
	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/job"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Scratches makes what a session owns on the host.
type Scratches struct {
	Host *Host
}

// Make makes the session's directories. Their parents are root's, so that nobody can put anything in their place.
func (s *Scratches) Make(_ context.Context, rec session.Record) error {
	user := s.Host.State.User(rec.Owner)
	dir := user.Session(rec.ID)
	type directory struct {
		path string
		mode os.FileMode
		his  bool
	}
	list := []directory{
		{string(user), layout.ModePassDir, false},
		{user.Sessions(), layout.ModePrivateDir, false},
		{string(dir), layout.ModePrivateDir, false},
		{dir.Etc(), layout.ModePassDir, false},
		{dir.Run(), layout.ModePrivateDir, true},
		{user.Scratches(), layout.ModePassDir, false},
		{user.Scratch(rec.ID), layout.ModePrivateDir, true},
	}
	if c := rec.Plan.Checkout; c != nil && c.Outside() {
		list = append(list, directory{user.Checkout(rec.ID), layout.ModePrivateDir, true})
	}
	for _, d := range list {
		if err := atomicfile.MkdirAll(d.path, d.mode); err != nil {
			return errs.New(errs.CodeOf(err), "make %s: %w", d.path, err)
		}
		if d.his && s.Host.Root {
			if err := give(d.path, rec.Plan.User); err != nil {
				return err
			}
		}
	}
	return nil
}

// give makes a directory the session user's. Its name cannot be exchanged: the parent is root's.
func give(path string, u plan.User) error {
	if err := os.Lchown(path, int(u.UID), int(u.GID)); err != nil {
		return errs.New(errs.Internal, "give %s to uid %d: %w", path, u.UID, err)
	}
	return nil
}

// Etc writes the session's passwd and group, which everybody in the session may read and nobody may change.
func (s *Scratches) Etc(_ context.Context, rec session.Record, passwd, group []byte) error {
	dir := s.Host.State.User(rec.Owner).Session(rec.ID)
	for path, data := range map[string][]byte{dir.Passwd(): passwd, dir.Group(): group} {
		// They are made anew with each launch: nothing is lost with them.
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return errs.New(errs.Internal, "write %s: %w", path, err)
		}
	}
	return nil
}

// Hand writes a file for agentd-init. The directory is the session user's: nothing in it is followed or overwritten.
func (s *Scratches) Hand(_ context.Context, rec session.Record, name string, data []byte) error {
	dir, err := beneath.Dir(s.Host.State.User(rec.Owner).Session(rec.ID).Run())
	if err != nil {
		return errs.New(errs.Internal, "open the run directory of session %s: %w", rec.ID, err)
	}
	defer dir.Close() //nolint:errcheck // nothing was written to it
	if err := remove(dir, name); err != nil {
		return errs.New(errs.Internal, "replace %s of session %s: %w", name, rec.ID, err)
	}
	f, err := beneath.Open(dir, name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return errs.New(errs.Internal, "write %s of session %s: %w", name, rec.ID, err)
	}
	_, err = f.Write(data)
	if err == nil && s.Host.Root {
		err = f.Chown(int(rec.Plan.User.UID), int(rec.Plan.User.GID))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errs.New(errs.Internal, "write %s of session %s: %w", name, rec.ID, err)
	}
	return nil
}

// remove unlinks a name directly in dir; none is no error.
func remove(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Clear removes what only the running session needed; its results and its log stay.
func (s *Scratches) Clear(_ context.Context, rec session.Record) error {
	dir, err := beneath.Dir(s.Host.State.User(rec.Owner).Session(rec.ID).Run())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errs.New(errs.Internal, "open the run directory of session %s: %w", rec.ID, err)
	}
	defer dir.Close() //nolint:errcheck // nothing was written to it
	err = errors.Join(remove(dir, job.FileName), remove(dir, job.SocketName))
	for _, step := range []string{job.Bootstrap, job.Startup} {
		// An agentd-init that was killed may have left a result half-written.
		err = errors.Join(err, remove(dir, job.TempName(job.BeginName(step))), remove(dir, job.TempName(job.EndName(step))))
		if rec.Due() {
			// The results of this try are not those of the next.
			err = errors.Join(err, remove(dir, job.BeginName(step)), remove(dir, job.EndName(step)))
		}
	}
	return err
}
