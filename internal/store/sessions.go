package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"agentd/internal/atomicfile"
	"agentd/internal/layout"
	"agentd/internal/session"
)

// kindSession is the kind of the record of a session.
const kindSession = "session"

// Sessions keeps the records of sessions: one file a session, and the one before it.
type Sessions struct {
	store *Store
}

// Sessions are the sessions of all owners.
func (s *Store) Sessions() *Sessions { return &Sessions{store: s} }

func (t *Sessions) dir(owner uint32, id string) layout.Session {
	return t.store.state.User(owner).Session(id)
}

// Save makes a record durable. At any instant the newest one or the one before it is there whole. Calls for one session
// come one after another.
func (t *Sessions) Save(rec session.Record) error {
	data, err := encodeRecord(kindSession, rec)
	if err != nil {
		return err
	}
	dir := t.dir(rec.Owner, rec.ID)
	if rec.Sequence <= 1 {
		if err := t.makeDirectories(rec.Owner, dir); err != nil {
			return failure(err, "make the directory of session %s", rec.ID)
		}
	}
	// The record is durable under either name: between the two renames the one before it counts.
	if err := t.store.disk.Rename(dir.Record(), dir.PreviousRecord()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure(err, "keep the record of session %s", rec.ID)
	}
	write := func() error {
		return failure(t.store.disk.Write(dir.Record(), data, layout.ModePrivate), "write the record of session %s", rec.ID)
	}
	if ends := rec.Stop != nil || rec.Status == session.Terminating || rec.Status.Final(); ends {
		// What fills the disk may be just this session: its end must not need what only its end gives back.
		return t.store.ballast.spend(write)
	}
	return write()
}

func (t *Sessions) makeDirectories(owner uint32, dir layout.Session) error {
	user := t.store.state.User(owner)
	for _, d := range []struct {
		path string
		mode os.FileMode
	}{
		{string(user), layout.ModePassDir},
		{user.Sessions(), layout.ModePrivateDir},
		{string(dir), layout.ModePrivateDir},
	} {
		if err := t.store.disk.MkdirAll(d.path, d.mode); err != nil {
			return err
		}
	}
	return nil
}

// Load reads all records. A damaged one is set aside, and the one before it serves in its place; one that is lost
// altogether hides no other.
func (t *Sessions) Load() ([]session.Record, error) {
	users, err := os.ReadDir(t.store.state.Users())
	if err != nil {
		return nil, failure(err, "list the owners of sessions")
	}
	var list []session.Record
	for _, u := range users {
		uid, ok := layout.ParseUser(u.Name())
		if !ok {
			continue
		}
		entries, err := os.ReadDir(t.store.state.User(uid).Sessions())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, failure(err, "list the sessions of uid %d", uid)
		}
		for _, e := range entries {
			if id, removed := layout.ParseRemovedSession(e.Name()); removed {
				t.finish(uid, id)
				continue
			}
			if rec, ok := t.load(uid, e.Name()); ok {
				list = append(list, rec)
			}
		}
	}
	return list, nil
}

func (t *Sessions) load(owner uint32, id string) (session.Record, bool) {
	if !idShape.MatchString(id) {
		return session.Record{}, false
	}
	dir := t.dir(owner, id)
	t.store.sweepTemps(string(dir), func(name string) bool { return name == filepath.Base(dir.Record()) })
	for _, path := range []string{dir.Record(), dir.PreviousRecord()} {
		rec, err := t.read(path, owner, id)
		switch {
		case err == nil:
			return rec, true
		case errors.Is(err, fs.ErrNotExist):
		default:
			t.setAside(path, owner, id, err)
		}
	}
	return session.Record{}, false
}

func (t *Sessions) read(path string, owner uint32, id string) (session.Record, error) {
	data, err := atomicfile.Read(path, maxRecord)
	if err != nil {
		return session.Record{}, err
	}
	rec, err := decodeRecord[session.Record](kindSession, data)
	if err == nil && (rec.ID != id || rec.Owner != owner) {
		err = damagedf("it is the record of another session")
	}
	return rec, err
}

// setAside moves a damaged record away; one of a newer agentd, or one that could not be judged, stays where it is.
func (t *Sessions) setAside(path string, owner uint32, id string, err error) {
	reason, damaged := damageOf(err)
	if !damaged {
		t.store.log.Error("read the record of a session", "file", path, "owner", owner, "session", id, "error", err)
		return
	}
	t.store.setAside(Damage{
		File: path, Owner: owner, ID: id, Reason: reason, Outcome: "the session's record before it serves, if there is one",
	})
}
