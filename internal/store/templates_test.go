package store

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
	"agentd/internal/template"
)

func TestTemplates_LifeAndReopen(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	write(t, s, 1000, "abc", "one", 1)
	write(t, s, 1000, "abc", "one", 2)
	write(t, s, 1000, "def", "two", 1)
	write(t, s, 1001, "ghj", "one", 1)
	remove(t, s, 1000, "def")
	check := func(s *Store) {
		t.Helper()
		ts := s.Templates()
		for n := 1; n <= 2; n++ {
			if got, want := mustText(t, s, 1000, "abc", n), string(textOf("one", n)); got != want {
				t.Errorf("revision %d: %q, want %q", n, got, want)
			}
		}
		if rev, ok := ts.ByName(1000, "one"); !ok || rev.ID != "abc" || rev.Number != 2 {
			t.Errorf("ByName(one) = %+v, %v", rev, ok)
		}
		if rev, ok := ts.ByName(1000, "two"); ok {
			t.Errorf("ByName(two) = %+v, though it is deleted", rev)
		}
		if revs := ts.DeletedByName(1000, "two"); len(revs) != 1 || revs[0].Number != 2 || !revs[0].Deleted() {
			t.Errorf("DeletedByName(two) = %+v", revs)
		}
		if diff := cmp.Diff([]uint32{1000, 1001}, ts.Owners()); diff != "" {
			t.Error(diff)
		}
		if uid, ok := ts.Owner("ghj"); !ok || uid != 1001 {
			t.Errorf("Owner(ghj) = %d, %v", uid, ok)
		}
		if revs, err := ts.Revisions(1000, "def"); err != nil || len(revs) != 2 || revs[0].Cause != template.CauseDelete {
			t.Errorf("Revisions(def) = %+v, %v", revs, err)
		}
		if _, err := ts.Text(1000, "def", 2); !errs.Is(err, errs.NotFound) {
			t.Errorf("text of a deletion: %v", err)
		}
	}
	check(s)
	before, _ := s.Templates().Head(1000, "abc")
	s.Close()
	s = openStore(t, state)
	check(s)
	after, _ := s.Templates().Head(1000, "abc")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the head changed with a restart: %s", diff)
	}
	if d := s.Damaged(); len(d) > 0 {
		t.Errorf("damage without a cause: %v", d)
	}
}

func TestWrite_Refuses(t *testing.T) {
	t.Parallel()
	s := openStore(t, testState(t))
	write(t, s, 1000, "abc", "one", 1)
	write(t, s, 1000, "def", "two", 1)
	for name, c := range map[string]struct {
		rev  template.Revision
		want errs.Code
	}{
		"the same number again": {revisionOf(1000, "abc", "one", 1), errs.Stale},
		"a number too far":      {revisionOf(1000, "abc", "one", 3), errs.Stale},
		"no first revision":     {revisionOf(1000, "new", "three", 2), errs.Stale},
		"a name that is taken":  {revisionOf(1000, "new", "one", 1), errs.Conflict},
		"a rename onto another": {revisionOf(1000, "abc", "two", 2), errs.Conflict},
		"an id that is a path":  {revisionOf(1000, "../x", "three", 1), errs.Internal},
	} {
		if err := s.Templates().Write(c.rev, []byte("x"), nil); !errs.Is(err, c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	// Another owner may have the name, and a deleted one gives it back.
	write(t, s, 1001, "ghj", "one", 1)
	remove(t, s, 1000, "abc")
	write(t, s, 1000, "new", "one", 1)
}

func TestList_PagesInOrder(t *testing.T) {
	t.Parallel()
	s := openStore(t, testState(t))
	for _, id := range []string{"d", "b", "a", "c", "e"} {
		write(t, s, 1000, "id-"+id, "name-"+id, 1)
	}
	remove(t, s, 1000, "id-c")
	var got []string
	name, id := "", ""
	for {
		page := s.Templates().List(1000, false, name, id, 2)
		if len(page) == 0 {
			break
		}
		for _, rev := range page {
			got = append(got, rev.Name)
		}
		name, id = page[len(page)-1].Name, page[len(page)-1].ID
	}
	if want := "name-a name-b name-d name-e"; strings.Join(got, " ") != want {
		t.Errorf("pages: %v, want %s", got, want)
	}
	if revs := s.Templates().ByPrefix(1000, "id-", true); len(revs) != 1 || revs[0].ID != "id-c" {
		t.Errorf("deleted ones by prefix: %+v", revs)
	}
	if revs := s.Templates().ByPrefix(1000, "id-", false); len(revs) != 4 {
		t.Errorf("living ones by prefix: %+v", revs)
	}
}

func TestPurgeAndPrune_RemoveFiles(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	ts := s.Templates()
	for n := 1; n <= 5; n++ {
		secrets := template.Secrets{"spec.kernel.git.credential.password": "x"}
		if err := ts.Write(withSecrets(revisionOf(1000, "abc", "one", n)), textOf("one", n), secrets); err != nil {
			t.Fatal(err)
		}
	}
	if err := ts.Prune(1000, "abc", 2); err != nil {
		t.Fatal(err)
	}
	if revs, err := ts.Revisions(1000, "abc"); err != nil || len(revs) != 2 || revs[1].Number != 4 {
		t.Errorf("after Prune: %+v, %v", revs, err)
	}
	if _, err := ts.Text(1000, "abc", 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("a pruned text: %v", err)
	}
	if entries, _ := os.ReadDir(string(state.User(1000).TemplateSecrets("abc"))); len(entries) != 2 {
		t.Errorf("secrets after Prune: %v", entries)
	}
	if got, err := ts.Secrets(1000, "abc", 5); err != nil || got["spec.kernel.git.credential.password"] != "x" {
		t.Errorf("Secrets: %v, %v", got, err)
	}
	remove(t, s, 1000, "abc")
	if err := ts.Prune(1000, "abc", 1); err != nil {
		t.Fatal(err)
	}
	mustText(t, s, 1000, "abc", 5)
	for range 2 {
		if err := ts.Purge(1000, "abc"); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{state.User(1000).Templates(), state.User(1000).Secrets()} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("after Purge: %v, %v", entries, err)
		}
	}
}

func TestHead_LargeLabelsAreReadFromDisk(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	rev := revisionOf(1000, "abc", "one", 1)
	rev.Labels = map[string]string{"large": strings.Repeat("x", 2*maxKept)}
	rev.Description = "described"
	if err := s.Templates().Write(rev, textOf("one", 1), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, _ := s.Templates().Head(1000, "abc")
		if diff := cmp.Diff(rev.Labels, got.Labels); diff != "" || got.Description != "described" {
			t.Errorf("labels: %s", diff)
		}
		s.Close()
		s = openStore(t, state)
	}
}

func TestText_IsKeptByteForByte(t *testing.T) {
	t.Parallel()
	state := testState(t)
	s := openStore(t, state)
	texts := map[string]string{
		"utf16": "\xff\xfea\x00:\x00", "control": "a: \x01\x02\u2028<>&\r\n", "empty": "", "large": strings.Repeat("\x01", 128<<10),
		"replacement": "\ufffd",
	}
	for id, text := range texts {
		if err := s.Templates().Write(revisionOf(1000, id, id, 1), []byte(text), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = openStore(t, state)
	for id, want := range texts {
		if got := mustText(t, s, 1000, id, 1); got != want {
			t.Errorf("%s: %.40q, want %.40q", id, got, want)
		}
		// The record alone has it too.
		if err := os.Remove(state.User(1000).Template(id).Text(1)); err != nil {
			t.Fatal(err)
		}
		if got := mustText(t, s, 1000, id, 1); got != want {
			t.Errorf("%s from the record: %.40q, want %.40q", id, got, want)
		}
	}
}
