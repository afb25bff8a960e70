package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"agentd/internal/layout"
)

// A removal that a crash cut off after its rename is finished at the next start, files and all.
func TestSessions_RemovalIsFinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	user := layout.State(dir).User(1000)
	for _, id := range []string{"s1", "s2"} {
		err := errors.Join(s.Sessions().Save(aRecord(t, id)), os.MkdirAll(user.Scratch(id), 0o700),
			os.MkdirAll(user.Checkout(id), 0o700))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Rename(string(user.Session("s1")), user.RemovedSession("s1")), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close() //nolint:errcheck // nothing is left to lose
	list, err := s.Sessions().Load()
	if err != nil || len(list) != 1 || list[0].ID != "s2" {
		t.Fatalf("loaded %v (%v), want s2 alone", list, err)
	}
	dirs, err := s.Sessions().Directories()
	if err != nil || len(dirs) != 3 || slices.ContainsFunc(dirs, func(d SessionDir) bool { return d.ID != "s2" }) {
		t.Errorf("left are %v (%v), want the three of s2", dirs, err)
	}
}

// What belongs to a session whose record could not be read is told from what is left of one that never was.
func TestSessions_DirectoriesOfDamagedOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	defer s.Close() //nolint:errcheck // nothing is left to lose
	user := layout.State(dir).User(1000)
	for _, path := range []string{
		user.Session("snever").Run(), user.Session("sbad").Etc(), user.Scratch("sbad"), user.Scratch("slost"),
	} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(user.Session("snever").Run()); err != nil {
		t.Fatal(err)
	}
	dirs, err := s.Sessions().Directories()
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string]bool{}
	for _, d := range dirs {
		rel, err := filepath.Rel(string(user), d.Path)
		if err != nil {
			t.Fatal(err)
		}
		damaged[rel] = d.Damaged
	}
	want := map[string]bool{"sessions/snever": false, "sessions/sbad": true, "scratch/sbad": true, "scratch/slost": false}
	for path, bad := range want {
		if got, there := damaged[path]; !there || got != bad {
			t.Errorf("%s: there %v, damaged %v, want %v", path, there, got, bad)
		}
	}
}

// A nonce can be told again when the record is lost, and by nobody who has not the key.
func TestNonce_IsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	first, other := s.Nonce("s1"), s.Nonce("s2")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	if got := s.Nonce("s1"); got != first || first == other || len(first) != 32 {
		t.Errorf("the nonce was %s and is %s; of another session: %s", first, got, other)
	}
	if err := errors.Join(s.Close(), os.WriteFile(layout.State(dir).NonceKey(), []byte("no key\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close() //nolint:errcheck // nothing is left to lose
	if s.Nonce("s1") == first || len(s.Damaged()) != 1 {
		t.Errorf("a damaged key: %d damages", len(s.Damaged()))
	}
}
