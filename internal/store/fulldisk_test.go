package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/template"
	"agentd/internal/testenv"
)

// smallDisk mounts a filesystem with little room.
func smallDisk(t *testing.T, options string) layout.State {
	t.Helper()
	testenv.Root(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		testenv.Closed(t, testenv.GateRoot, "needs to mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return layout.State(filepath.Join(dir, "state"))
}

// bigText is a document of a page or two.
func bigText(name string, number int) []byte {
	return append(textOf(name, number), bytes.Repeat([]byte("# padding\n"), 600)...)
}

func TestFullDisk_NothingAcknowledgedIsLost(t *testing.T) {
	for name, options := range map[string]string{"blocks": "size=1m", "inodes": "size=64m,nr_inodes=96"} {
		t.Run(name, func(t *testing.T) {
			state := smallDisk(t, options)
			s := openStore(t, state)
			acknowledged := fillDisk(t, s)
			ids := len(acknowledged)
			t.Logf("full after %d templates", ids)
			stuff(t, filepath.Dir(string(state)))
			if err := s.Probe(t.Context()); !errs.Is(err, errs.NoSpace) {
				t.Errorf("Probe on a full disk: %v", err)
			}
			checkAll(t, s, acknowledged)

			// Deletions work, as many as there is ballast for at the least.
			for i := range ballastFiles {
				id := fmt.Sprintf("t%03d", i)
				if err := s.Templates().Write(deletionOf(t, s, 1000, id), nil, nil); err != nil {
					t.Errorf("deletion %d on a full disk: %v", i+1, err)
				}
			}
			maps.Copy(acknowledged, fillDisk(t, s))
			stuff(t, filepath.Dir(string(state)))
			// A restart on a full disk works, and finds everything.
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = openStore(t, state)
			checkAll(t, s, acknowledged)

			// So does a purge, and then there is room again, with no restart.
			for i := range ballastFiles {
				if err := s.Templates().Purge(1000, fmt.Sprintf("t%03d", i)); err != nil {
					t.Errorf("purge on a full disk: %v", err)
				}
				delete(acknowledged, fmt.Sprintf("t%03d", i))
			}
			if err := s.Probe(t.Context()); err != nil {
				t.Errorf("Probe once there is room: %v", err)
			}
			if err := s.Templates().Write(revisionOf(1000, "after", "after", 1), bigText("after", 1), nil); err != nil {
				t.Errorf("Write once there is room: %v", err)
			}
			acknowledged["after"] = bigText("after", 1)
			checkAll(t, s, acknowledged)
			if d := s.Damaged(); len(d) > 0 {
				t.Errorf("damage: %v", d)
			}
		})
	}
}

// fillDisk creates templates until there is no room, and returns those that were acknowledged.
func fillDisk(t *testing.T, s *Store) map[string][]byte {
	t.Helper()
	acknowledged := map[string][]byte{}
	for i := range 1000 {
		id := fmt.Sprintf("t%03d", i)
		if _, ok := s.Templates().Head(1000, id); ok {
			continue
		}
		secrets := template.Secrets{"spec.kernel.git.credential.password": id}
		err := s.Templates().Write(withSecrets(revisionOf(1000, id, id, 1)), bigText(id, 1), secrets)
		switch {
		case err == nil:
			acknowledged[id] = bigText(id, 1)
			continue
		case !errs.Is(err, errs.NoSpace):
			t.Fatalf("Write on a full disk: %v", err)
		}
		// The template that found no room has left nothing, and is not there.
		if _, ok := s.Templates().Head(1000, id); ok {
			t.Errorf("%s is there though it was refused", id)
		}
		for _, path := range []string{string(s.state.User(1000).Template(id)), string(s.state.User(1000).TemplateSecrets(id))} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s is left of what was refused", path)
			}
		}
		return acknowledged
	}
	t.Fatal("the disk never got full")
	return nil
}

// stuff takes what is left of a disk: the last blocks, the last inodes.
func stuff(t *testing.T, dir string) {
	t.Helper()
	for range 1000 {
		file, err := os.CreateTemp(dir, "stuffing-")
		if err != nil {
			return
		}
		for err == nil {
			_, err = file.Write(make([]byte, 1<<16))
			if info, statErr := file.Stat(); statErr == nil && info.Size() > 1<<20 {
				break
			}
		}
		file.Close()
		if errors.Is(err, unix.ENOSPC) {
			return
		}
	}
	t.Fatal("the disk never got full")
}

// checkAll compares the texts of what was acknowledged.
func checkAll(t *testing.T, s *Store, acknowledged map[string][]byte) {
	t.Helper()
	for id, want := range acknowledged {
		if got, err := s.Templates().Text(1000, id, 1); err != nil || !bytes.Equal(got, want) {
			t.Errorf("text of %s: %d bytes, %v", id, len(got), err)
		}
	}
}

// TestFullDisk_ASessionCanBeEnded has what fills the disk in a session of its own: its end is written by what was kept for it.
func TestFullDisk_ASessionCanBeEnded(t *testing.T) {
	state := smallDisk(t, "size=1m")
	s := openStore(t, state)
	rec := session.Record{ID: "s0123456789", Owner: 1000, Sequence: 1, Status: session.Running}
	if err := s.Sessions().Save(rec); err != nil {
		t.Fatal(err)
	}
	stuff(t, filepath.Dir(string(state)))
	rec.Sequence++
	if err := s.Sessions().Save(rec); !errs.Is(err, errs.NoSpace) {
		t.Errorf("there is room for a session that goes on: %v", err)
	}
	rec.Stop = &session.Stop{Reason: session.ReasonUser}
	for _, status := range []session.Status{session.Running, session.Terminating, session.Terminated} {
		rec.Sequence++
		rec.Status = status
		if err := s.Sessions().Save(rec); err != nil {
			t.Errorf("%s with a stop: %v", status, err)
		}
	}
	if err := s.Sessions().Remove(rec.Owner, rec.ID); err != nil {
		t.Error(err)
	}
}
