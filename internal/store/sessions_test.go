package store

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/layout"
	"agentd/internal/session"
)

func openAt(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(layout.State(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func aRecord(t *testing.T, id string) session.Record {
	t.Helper()
	rec := session.Record{ID: id, Nonce: "n", Owner: 1000, Sequence: 1, Created: time.Unix(1e9, 0).UTC()}
	if err := rec.Enter(session.Pending, rec.Created, "", ""); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestSessions_SaveLoadRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openAt(t, dir)
	rec := aRecord(t, "s1")
	for range 3 {
		if err := s.Sessions().Save(rec); err != nil {
			t.Fatal(err)
		}
		rec.Sequence++
	}
	if err := errors.Join(s.Sessions().Save(rec), s.Sessions().Save(aRecord(t, "s2")), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir)
	defer s.Close() //nolint:errcheck // nothing is left to lose
	got, err := s.Sessions().Load()
	if err != nil || len(got) != 2 {
		t.Fatalf("loaded %d (%v), want 2", len(got), err)
	}
	if diff := cmp.Diff(rec, got[0]); diff != "" {
		t.Errorf("the record came back different (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := s.Sessions().Remove(1000, "s1"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Sessions().Load(); err != nil || len(got) != 1 || got[0].ID != "s2" {
		t.Errorf("after a removal: %+v, %v; want s2 only", got, err)
	}
}

// Whatever becomes of the newest record, the one before it serves; whatever becomes of both, the others are served.
func TestSessions_Damage(t *testing.T) {
	t.Parallel()
	spoil := map[string]func(path string) error{
		"missing":   os.Remove,
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"truncated": func(p string) error { return os.Truncate(p, 100) },
		"foreign":   func(p string) error { return os.WriteFile(p, []byte(`{"schema":1,"body":{}}`), 0o600) },
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"link":      func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
	}
	for name, do := range spoil {
		for _, both := range []bool{false, true} {
			dir := t.TempDir()
			s := openAt(t, dir)
			rec := aRecord(t, "s1")
			if err := errors.Join(s.Sessions().Save(rec), s.Sessions().Save(aRecord(t, "s2"))); err != nil {
				t.Fatal(err)
			}
			rec.Sequence = 2
			if err := s.Sessions().Save(rec); err != nil {
				t.Fatal(err)
			}
			place := layout.State(dir).User(1000).Session("s1")
			if err := do(place.Record()); err != nil {
				t.Fatal(err)
			}
			want := 2
			if both {
				want = 1
				if err := do(place.PreviousRecord()); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.Sessions().Load()
			if err != nil || len(got) != want {
				t.Errorf("%s, both=%v: loaded %d (%v), want %d", name, both, len(got), err, want)
			}
			if !both && len(got) == 2 && got[0].Sequence != 1 {
				t.Errorf("%s: the record before it has sequence %d, want 1", name, got[0].Sequence)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func FuzzSessionRecord(f *testing.F) {
	data, err := encodeRecord(kindSession, session.Record{ID: "s1", Status: session.Running})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := decodeRecord[session.Record](kindSession, data)
		if err != nil {
			return
		}
		again, err := encodeRecord(kindSession, rec)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRecord[session.Record](kindSession, again)
		if err != nil || cmp.Diff(rec, back) != "" {
			t.Errorf("encode and decode changed it: %v\n%s", err, cmp.Diff(rec, back))
		}
	})
}
