package store

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// testState returns a state directory of the test's own.
func testState(t testing.TB) layout.State { return layout.State(filepath.Join(t.TempDir(), "state")) }

// openStore opens a store that is closed with the test.
func openStore(t testing.TB, state layout.State) *Store {
	t.Helper()
	s, err := Open(state, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatalf("Open(%s): %v", state, err)
	}
	t.Cleanup(func() { s.Close() }) // a test may have closed it
	return s
}

// textOf is a sound document that differs with every argument.
func textOf(name string, number int) []byte {
	return fmt.Appendf(nil, "# %s, revision %d\napi_version: v1\nkind: taskTemplate\nmetadata:\n  name: %s\n"+
		"spec:\n  kernel:\n    image: busybox:%d\n", name, number, name, number)
}

// revisionOf is the revision of such a document.
func revisionOf(uid uint32, id, name string, number int) template.Revision {
	cause := template.CauseUpdate
	if number == 1 {
		cause = template.CauseCreate
	}
	epoch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return template.Revision{
		ID: id, Owner: uid, Created: epoch, Number: number, Cause: cause, Author: uid,
		Time: epoch.Add(time.Duration(number) * time.Hour), Name: name, Type: template.Interactive,
		Image: fmt.Sprintf("busybox:%d", number), Architecture: "x86_64",
	}
}

// write writes the next revision of a template.
func write(t testing.TB, s *Store, uid uint32, id, name string, number int) {
	t.Helper()
	if err := s.Templates().Write(revisionOf(uid, id, name, number), textOf(name, number), nil); err != nil {
		t.Fatalf("Write(%s, %d): %v", id, number, err)
	}
}

// remove deletes a template by a revision.
func remove(t testing.TB, s *Store, uid uint32, id string) {
	t.Helper()
	if err := s.Templates().Write(deletionOf(t, s, uid, id), nil, nil); err != nil {
		t.Fatalf("delete %s: %v", id, err)
	}
}

// deletionOf is the revision that deletes a template.
func deletionOf(t testing.TB, s *Store, uid uint32, id string) template.Revision {
	t.Helper()
	rev, ok := s.Templates().Head(uid, id)
	if !ok {
		t.Fatalf("no template %s", id)
	}
	rev.Number++
	rev.Cause, rev.Time, rev.HasSecrets = template.CauseDelete, rev.Time.Add(time.Hour), false
	return rev
}

// mustText returns a text that must be there.
func mustText(t testing.TB, s *Store, uid uint32, id string, number int) string {
	t.Helper()
	text, err := s.Templates().Text(uid, id, number)
	if err != nil {
		t.Fatalf("Text(%s, %d): %v", id, number, err)
	}
	return string(text)
}

func TestOpen_SecondIsRefusedWithThePid(t *testing.T) {
	t.Parallel()
	state := testState(t)
	openStore(t, state)
	_, err := Open(state, slog.New(slog.DiscardHandler))
	if !errs.Is(err, errs.Conflict) {
		t.Fatalf("second Open: got %v, want a conflict", err)
	}
	if want := fmt.Sprintf("(pid %d)", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("second Open: %q does not name %s", err, want)
	}
}

func TestOpen_ModesAndFiles(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	if err := s.Templates().Write(withSecrets(revisionOf(1000, "abc", "one", 2)), textOf("one", 2),
		template.Secrets{"spec.kernel.git.credential.password": "x"}); err != nil {
		t.Fatal(err)
	}
	user := state.User(1000)
	for path, want := range map[string]os.FileMode{
		string(state): 0o711, state.Users(): 0o711, string(user): 0o711, user.Templates(): 0o700, user.Secrets(): 0o700,
		state.Quarantine(): 0o700, state.Lock(): 0o600, state.Format(): 0o600, state.InstanceID(): 0o600,
		string(user.Template("abc")): 0o700, user.Template("abc").Record(1): 0o600, user.Template("abc").Text(1): 0o600,
		user.TemplateSecrets("abc").Record(2): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s: mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

func withSecrets(rev template.Revision) template.Revision {
	rev.HasSecrets = true
	return rev
}

func TestOpen_RefusesANewerFormat(t *testing.T) {
	t.Parallel()
	state := testState(t)
	openStore(t, state).Close()
	if err := os.WriteFile(state.Format(), []byte("2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(state, slog.New(slog.DiscardHandler)); !errs.Is(err, errs.Unsupported) {
		t.Fatalf("Open: got %v, want unsupported", err)
	}
}

func TestOpen_InstanceIDSurvivesDamageOfEitherFile(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	want := s.InstanceID()
	s.Close()
	for _, path := range []string{state.InstanceID(), state.InstanceIDCopy()} {
		if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, state)
		if got := s.InstanceID(); got != want {
			t.Errorf("with %s damaged: instance id %q, want %q", filepath.Base(path), got, want)
		}
		s.Close()
	}
}

func TestProbe_Works(t *testing.T) {
	t.Parallel()
	if err := openStore(t, testState(t)).Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
}
