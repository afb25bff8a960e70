package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/removetree"
)

// Remove forgets a session with all its files. What makes it be is one rename: a crash after it is finished at the next
// start.
func (t *Sessions) Remove(owner uint32, id string) error {
	if !idShape.MatchString(id) {
		return errs.New(errs.Internal, "remove session %q: that is no id", id)
	}
	user := t.store.state.User(owner)
	// A directory of that name can only be left from an earlier try.
	if err := removetree.Remove(context.Background(), user.RemovedSession(id)); err != nil {
		return failure(err, "remove session %s", id)
	}
	err := t.store.disk.Rename(string(user.Session(id)), user.RemovedSession(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure(err, "remove session %s", id)
	}
	if err := t.store.disk.SyncDir(user.Sessions()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure(err, "remove session %s", id)
	}
	return t.finishRemove(owner, id)
}

// finishRemove removes what is left of a session that is forgotten; the renamed directory goes last, since it says that
// there is something to finish.
func (t *Sessions) finishRemove(owner uint32, id string) error {
	if err := t.RemoveFiles(owner, id); err != nil {
		return err
	}
	gone := t.store.state.User(owner).RemovedSession(id)
	err := removetree.Remove(context.Background(), gone)
	if err == nil {
		t.store.disk.Removed(gone)
	}
	return failure(err, "remove session %s: it is gone, but files are left", id)
}

// finish finishes the removal of a session that was begun in an earlier life.
func (t *Sessions) finish(owner uint32, id string) {
	if !idShape.MatchString(id) {
		return
	}
	if err := t.finishRemove(owner, id); err != nil {
		t.store.log.Error("finish the removal of a session", "owner", owner, "session", id, "error", err)
	}
}

// RemoveFiles removes a session's scratch and the clone beside it; none is no error.
func (t *Sessions) RemoveFiles(owner uint32, id string) error {
	if !idShape.MatchString(id) {
		return errs.New(errs.Internal, "remove the files of session %q: that is no id", id)
	}
	user := t.store.state.User(owner)
	for _, files := range []string{user.Scratch(id), user.Checkout(id)} {
		if err := removetree.Remove(context.Background(), files); err != nil {
			return failure(err, "remove the files of session %s", id)
		}
	}
	return nil
}

// SessionDir is a directory that is, or was, a session's.
type SessionDir struct {
	Owner uint32
	ID    string
	// Path is what there is: the session's own directory, its scratch or its clone.
	Path string
	// Damaged is true for what belongs to a session whose record could not be read, but once was there: its files are
	// somebody's, and stay until a person has looked.
	Damaged bool
}

// Directories lists the directories of all sessions, whether or not they have records.
func (t *Sessions) Directories() ([]SessionDir, error) {
	users, err := os.ReadDir(t.store.state.Users())
	if err != nil {
		return nil, failure(err, "list the owners of sessions")
	}
	var list []SessionDir
	for _, u := range users {
		uid, ok := layout.ParseUser(u.Name())
		if !ok {
			continue
		}
		of, err := t.directoriesOf(uid)
		if err != nil {
			return nil, failure(err, "list the directories of sessions of uid %d", uid)
		}
		list = append(list, of...)
	}
	return list, nil
}

func (t *Sessions) directoriesOf(uid uint32) ([]SessionDir, error) {
	user := t.store.state.User(uid)
	var list []SessionDir
	damaged := map[string]bool{}
	sessions, err := readDir(user.Sessions())
	if err != nil {
		return nil, err
	}
	for _, e := range sessions {
		id, _ := layout.ParseRemovedSession(e.Name())
		if !idShape.MatchString(id) {
			continue
		}
		d := SessionDir{Owner: uid, ID: id, Path: filepath.Join(user.Sessions(), e.Name())}
		if id == e.Name() {
			d.Damaged = withoutRecord(user.Session(id))
			damaged[id] = d.Damaged
		}
		list = append(list, d)
	}
	scratches, err := readDir(user.Scratches())
	if err != nil {
		return nil, err
	}
	for _, e := range scratches {
		if id := layout.ParseScratch(e.Name()); idShape.MatchString(id) {
			path := filepath.Join(user.Scratches(), e.Name())
			list = append(list, SessionDir{Owner: uid, ID: id, Path: path, Damaged: damaged[id]})
		}
	}
	return list, nil
}

// withoutRecord reports whether a session's directory has everything but a record. One with nothing at all is that of a
// launch whose first record was never written.
func withoutRecord(dir layout.Session) bool {
	for _, path := range []string{dir.Record(), dir.PreviousRecord()} {
		if _, err := os.Lstat(path); err == nil {
			return false
		}
	}
	for _, path := range []string{dir.Etc(), dir.Run()} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// readDir lists a directory; one that is not there is empty.
func readDir(path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// RemoveDirectory removes one of [Sessions.Directories], by its path; it must have no record.
func (t *Sessions) RemoveDirectory(ctx context.Context, path string) error {
	return failure(removetree.Remove(ctx, path), "remove %s", path)
}
