package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/template"
)

// spoil overwrites files with garbage.
func spoil(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if err := os.WriteFile(file, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeal_BothFilesOfTheNewestRevisionLost(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"found at the start": false, "found at reading": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := testState(t)
			s := openStore(t, state)
			write(t, s, 1000, "abc", "one", 1)
			write(t, s, 1000, "abc", "one", 2)
			dir := state.User(1000).Template("abc")
			if !running {
				s.Close()
			}
			spoil(t, dir.Record(2), dir.Text(2))
			if running {
				if _, err := s.Templates().Text(1000, "abc", 2); !errs.Is(err, errs.Damaged) {
					t.Errorf("Text: %v, want damaged", err)
				}
			} else {
				s = openStore(t, state)
			}
			if rev, ok := s.Templates().ByName(1000, "one"); !ok || rev.Number != 1 {
				t.Errorf("the head: %+v, %v, want revision 1", rev, ok)
			}
			if d := s.Damaged(); len(d) != 2 || d[0].ID != "abc" || d[0].Owner != 1000 || d[0].Revision != 2 ||
				!strings.Contains(d[0].Outcome, "an older one is served") {
				t.Errorf("Damaged: %+v", d)
			}
			// It can be built upon, and the damage is told until the quarantine is emptied.
			write(t, s, 1000, "abc", "one", 2)
			s.Close()
			s = openStore(t, state)
			if got := mustText(t, s, 1000, "abc", 2); got != string(textOf("one", 2)) {
				t.Errorf("after another update: %q", got)
			}
			if d := s.Damaged(); len(d) != 2 {
				t.Errorf("Damaged after a restart: %+v", d)
			}
			for _, d := range s.Damaged() {
				if data, err := os.ReadFile(d.Quarantined); err != nil || string(data) != "garbage" {
					t.Errorf("%s: %q, %v", d.Quarantined, data, err)
				}
			}
		})
	}
}

func TestHeal_TheOnlyRevisionLostHidesNothingElse(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	write(t, s, 1000, "def", "two", 1)
	s.Close()
	dir := state.User(1000).Template("abc")
	spoil(t, dir.Record(1), dir.Text(1))
	for range 2 {
		s = openStore(t, state)
		if _, ok := s.Templates().Head(1000, "abc"); ok {
			t.Error("a template is served of which nothing is left")
		}
		if got := mustText(t, s, 1000, "def", 1); got != string(textOf("two", 1)) {
			t.Errorf("the other: %q", got)
		}
		s.Close()
	}
	// Its name is free again.
	s = openStore(t, state)
	write(t, s, 1000, "ghj", "one", 1)
}

func TestHeal_RebuiltRecordKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	rev := revisionOf(1000, "abc", "one", 2)
	rev.Cause, rev.Author = template.CauseRollback(1), 7
	if err := s.Templates().Write(rev, textOf("one", 2), nil); err != nil {
		t.Fatal(err)
	}
	want, _ := s.Templates().Head(1000, "abc")
	s.Close()
	record := state.User(1000).Template("abc").Record(2)
	for name, spoilt := range map[string]func([]byte) string{
		"a letter of the text": func(d []byte) string { return strings.Replace(string(d), "# one", "# onE", 1) },
		"empty":                func([]byte) string { return "" },
	} {
		data, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(record, []byte(spoilt(data)), 0o600); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, state)
		got, ok := s.Templates().Head(1000, "abc")
		if !ok || got.SHA256 != want.SHA256 || got.Image != want.Image || !got.Created.Equal(want.Created) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if name != "empty" && (got.Author != 7 || got.Cause != rev.Cause || !got.Time.Equal(want.Time)) {
			t.Errorf("%s: author, cause or time are lost: %+v", name, got)
		}
		s.Close()
		if err := os.WriteFile(record, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoad_ARecordFromANewerAgentdStaysInItsPlace(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	s.Close()
	body := []byte(`{"id":"abc"}`)
	data, err := json.Marshal(envelope{2, kindRevision, checksum(2, kindRevision, body), body})
	if err != nil {
		t.Fatal(err)
	}
	record := state.User(1000).Template("abc").Record(2)
	if err := os.WriteFile(record, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, state)
	if rev, ok := s.Templates().Head(1000, "abc"); ok {
		t.Errorf("an older revision is served as the newest: %+v", rev)
	}
	if d := s.Damaged(); len(d) != 1 || d[0].Quarantined != "" || !strings.Contains(d[0].Reason, "schema 2") {
		t.Errorf("Damaged: %+v", d)
	}
	if got, err := os.ReadFile(record); err != nil || string(got) != string(data) {
		t.Errorf("the record: %q, %v", got, err)
	}
}

func TestLoad_AnOldNameThatCameBackHidesNobody(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "old", 1)
	write(t, s, 1000, "abc", "new", 2)
	later := revisionOf(1000, "def", "old", 1)
	later.Time = later.Time.AddDate(1, 0, 0)
	if err := s.Templates().Write(later, textOf("old", 1), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	dir := state.User(1000).Template("abc")
	spoil(t, dir.Record(2), dir.Text(2))
	s = openStore(t, state)
	if rev, ok := s.Templates().ByName(1000, "old"); !ok || rev.ID != "def" {
		t.Errorf("ByName: %+v, want the one that was written last", rev)
	}
	if revs := s.Templates().List(1000, false, "", "", 10); len(revs) != 2 {
		t.Errorf("List: %+v", revs)
	}
	// Renaming it ends the ambiguity.
	write(t, s, 1000, "abc", "new", 2)
}

func TestLoad_ForeignFilesStay(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	s.Close()
	var files []string
	for _, dir := range []string{state.Users(), string(state.User(1000)), state.User(1000).Templates(),
		string(state.User(1000).Template("abc"))} {
		for _, name := range []string{"README", ".hidden", ".swap12", "000001.yaml~"} {
			files = append(files, dir+"/"+name)
		}
	}
	spoil(t, files...)
	s = openStore(t, state)
	mustText(t, s, 1000, "abc", 1)
	if d := s.Damaged(); len(d) > 0 {
		t.Errorf("Damaged: %+v", d)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestTemplates_ConcurrentUse(t *testing.T) {
	t.Parallel()
	s := openStore(t, layout.State(fastDir(t)+"/state"))
	ts := s.Templates()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			uid, id := uint32(1000+worker%2), fmt.Sprintf("id%d", worker)
			for n := 1; n <= 20; n++ {
				if err := ts.Write(revisionOf(uid, id, id, n), textOf(id, n), nil); err != nil {
					t.Errorf("Write(%s, %d): %v", id, n, err)
				}
				if err := ts.Prune(uid, id, 3); err != nil {
					t.Errorf("Prune: %v", err)
				}
			}
			if worker%4 == 0 {
				if err := errors.Join(ts.Write(deletionOf(t, s, uid, id), nil, nil), ts.Purge(uid, id)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			uid, id := uint32(1000+worker%2), fmt.Sprintf("id%d", worker)
			for range 200 {
				rev, ok := ts.Head(uid, id)
				if !ok {
					continue
				}
				text, err := ts.Text(uid, id, rev.Number)
				if err == nil && string(text) != string(textOf(id, rev.Number)) {
					t.Errorf("Text(%s, %d): %q", id, rev.Number, text)
				}
				if err != nil && !errs.Is(err, errs.NotFound) {
					t.Errorf("Text(%s, %d): %v", id, rev.Number, err)
				}
				if _, err := ts.Revisions(uid, id); err != nil && !errs.Is(err, errs.NotFound) {
					t.Errorf("Revisions: %v", err)
				}
				ts.List(uid, false, "", "", 100)
				ts.ByPrefix(uid, "id", false)
				if err := s.Probe(t.Context()); err != nil && !errs.Is(err, errs.Unavailable) {
					t.Errorf("Probe: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if d := s.Damaged(); len(d) > 0 {
		t.Errorf("damage without a cause: %v", d)
	}
	if got := len(ts.List(1000, false, "", "", 100)) + len(ts.List(1001, false, "", "", 100)); got != 6 {
		t.Errorf("%d templates are left, want 6", got)
	}
}
