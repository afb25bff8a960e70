package catalog_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/catalog"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/layout"
	"agentd/internal/store"
)

const (
	aliceUID = 20001
	bobUID   = 20002
)

// world is a catalog on a real store, with a clock that the test moves.
type world struct {
	*catalog.Catalog
	t     *testing.T
	store *store.Store
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(layout.State(t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, store: s, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	w.Catalog = catalog.New(s.Templates(), catalog.Keeping{Deleted: 720 * time.Hour, Revisions: 5},
		catalog.Options{Now: func() time.Time { return w.now }})
	return w
}

func alice() identity.Caller { return identity.Caller{UID: aliceUID, GID: aliceUID} }
func bob() identity.Caller   { return identity.Caller{UID: bobUID, GID: bobUID} }
func root() identity.Caller  { return identity.Caller{Admin: true} }

// document is a small template; extra lines go below spec.kernel.
func document(name, image string, extra ...string) []byte {
	doc := fmt.Sprintf(`# a comment that stays
api_version: v1
kind: taskTemplate
metadata: {name: %s, tag: t}
spec:
  kernel:
    image: %s
`, name, image)
	for _, line := range extra {
		doc += "    " + line + "\n"
	}
	return []byte(doc)
}

func withPassword(name, password string) []byte {
	return document(name, "busybox",
		"git:", "  repository: https://git.example/r", "  credential: {username: u, password: '"+password+"'}")
}

func (w *world) create(c identity.Caller, src []byte) api.Template {
	w.t.Helper()
	list, err := w.Create(w.t.Context(), c, nil, "t.yaml", src)
	if err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return list.Written[0].Template
}

func (w *world) text(c identity.Caller, ref string, revision int, show bool) string {
	w.t.Helper()
	text, _, err := w.Text(w.t.Context(), c, nil, ref, revision, show)
	if err != nil {
		w.t.Fatalf("text of %s revision %d: %v", ref, revision, err)
	}
	return string(text)
}

func wantCode(t *testing.T, what string, err error, code errs.Code) {
	t.Helper()
	if errs.CodeOf(err) != code {
		t.Errorf("%s: got error %v (code %q), want code %q", what, err, errs.CodeOf(err), code)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := document("one", "busybox:1"), document("one", "busybox:2")
	made := w.create(alice(), first)
	if made.Revision != 1 || made.Name != "one" || made.OwnerUID != aliceUID || made.Tag != "t" {
		t.Errorf("created %+v, want revision 1 of one, tag t, owned by %d", made, aliceUID)
	}
	got, err := w.Update(t.Context(), alice(), nil, "one", "t.yaml", second, 1)
	if err != nil || got.Action != api.ActionUpdated || got.Template.Revision != 2 {
		t.Fatalf("update: %+v, %v; want revision 2, updated", got, err)
	}
	if text := w.text(alice(), made.ID, 0, false); text != string(second) {
		t.Errorf("newest text is %q, want %q", text, second)
	}
	if text := w.text(alice(), made.ID, 1, false); text != string(first) {
		t.Errorf("text of revision 1 is %q, want %q", text, first)
	}
	back, err := w.Rollback(t.Context(), alice(), nil, made.ID[:3], 1, 0)
	if err != nil || back.Template.Revision != 3 || w.text(alice(), "one", 0, false) != string(first) {
		t.Errorf("rollback: %+v, %v; want revision 3 with the first text", back, err)
	}
	gone, err := w.Delete(t.Context(), alice(), nil, "one", 0, false)
	if err != nil || gone.Template.DeletedAt == nil || !gone.Template.PurgeAt.Equal(w.now.Add(720*time.Hour)) {
		t.Errorf("delete: %+v, %v; want a date of deletion, and of purge 720h later", gone, err)
	}
	_, err = w.Get(t.Context(), alice(), nil, "one")
	wantCode(t, "get of a deleted one", err, errs.NotFound)
	restored, err := w.Restore(t.Context(), alice(), nil, "one", "")
	if err != nil || restored.Template.Revision != 5 || w.text(alice(), "one", 0, false) != string(first) {
		t.Errorf("restore: %+v, %v; want revision 5 with the first text", restored, err)
	}
	h, err := w.History(t.Context(), alice(), nil, "one")
	if err != nil {
		t.Fatal(err)
	}
	var causes []string
	for _, r := range h.Revisions {
		causes = append(causes, r.Cause)
	}
	if got, want := strings.Join(causes, ","), "restore,delete,rollback to 1,update,create"; got != want {
		t.Errorf("history is %s, want %s", got, want)
	}
}

func TestUpdate_Unchanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := withPassword("one", "s3cret")
	w.create(alice(), doc)
	got, err := w.Update(t.Context(), alice(), nil, "one", "t.yaml", doc, 0)
	if err != nil || got.Action != api.ActionUnchanged || got.Template.Revision != 1 {
		t.Errorf("update with the same text: %+v, %v; want unchanged at revision 1", got, err)
	}
	got, err = w.Update(t.Context(), alice(), nil, "one", "t.yaml", withPassword("one", "other"), 0)
	if err != nil || got.Template.Revision != 2 {
		t.Errorf("update with another password: %+v, %v; want revision 2", got, err)
	}
}

func TestUpdate_Stale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(alice(), document("one", "busybox:1"))
	_, err := w.Update(t.Context(), alice(), nil, "one", "", document("one", "busybox:2"), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(t.Context(), alice(), nil, "one", "", document("one", "busybox:3"), 1)
	wantCode(t, "update from an old revision", err, errs.Stale)
	_, err = w.Delete(t.Context(), alice(), nil, "one", 1, false)
	wantCode(t, "delete from an old revision", err, errs.Stale)
	if text := w.text(alice(), "one", 0, false); !strings.Contains(text, "busybox:2") {
		t.Errorf("after a refused update the text is %q", text)
	}
}

func TestNames_Unique(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(alice(), document("one", "busybox"))
	two := w.create(alice(), document("two", "busybox"))
	w.create(bob(), document("one", "busybox"))

	_, err := w.Create(t.Context(), alice(), nil, "", document("one", "busybox:9"))
	wantCode(t, "create of a taken name", err, errs.Conflict)
	_, err = w.Update(t.Context(), alice(), nil, two.ID, "", document("one", "busybox"), 0)
	wantCode(t, "update to a taken name", err, errs.Conflict)
	_, err = w.Copy(t.Context(), alice(), nil, "one", "two")
	wantCode(t, "copy to a taken name", err, errs.Conflict)

	if _, err := w.Delete(t.Context(), alice(), nil, "one", 0, false); err != nil {
		t.Fatal(err)
	}
	w.create(alice(), document("one", "busybox:2"))
	_, err = w.Restore(t.Context(), alice(), nil, "one", "")
	wantCode(t, "restore to a taken name", err, errs.Conflict)
	got, err := w.Restore(t.Context(), alice(), nil, "one", "one-again")
	if err != nil || got.Template.Name != "one-again" {
		t.Errorf("restore under another name: %+v, %v", got, err)
	}
	text := w.text(alice(), "one-again", 0, false)
	if want := string(document("one-again", "busybox")); text != want {
		t.Errorf("text of the restored one is %q, want %q", text, want)
	}
}

func TestCreate_AllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(alice(), document("two", "busybox"))
	both := string(document("one", "busybox")) + "---\n" + string(document("two", "busybox"))
	_, err := w.Create(t.Context(), alice(), nil, "both.yaml", []byte(both))
	wantCode(t, "create of two, one of them taken", err, errs.Conflict)
	_, err = w.Get(t.Context(), alice(), nil, "one")
	wantCode(t, "get of the other one", err, errs.NotFound)

	twice := string(document("one", "busybox")) + "---\n" + string(document("one", "busybox"))
	_, err = w.Create(t.Context(), alice(), nil, "twice.yaml", []byte(twice))
	wantCode(t, "create of one name twice", err, errs.Invalid)
	if err == nil || !strings.Contains(err.Error(), "twice.yaml:") {
		t.Errorf("the error %v does not say where", err)
	}

	list, err := w.Apply(t.Context(), alice(), nil, "both.yaml", []byte(both))
	if err != nil || len(list.Written) != 2 || list.Written[0].Action != api.ActionCreated ||
		list.Written[1].Action != api.ActionUnchanged {
		t.Errorf("apply: %+v, %v; want created, unchanged", list, err)
	}
}

func TestSecrets_KeptApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := withPassword("one", "s3cret")
	w.create(alice(), doc)
	redacted := w.text(alice(), "one", 0, false)
	if strings.Contains(redacted, "s3cret") {
		t.Errorf("the text shows the password: %s", redacted)
	}
	if shown := w.text(alice(), "one", 0, true); shown != string(doc) {
		t.Errorf("with secrets the text is %q, want it as written, %q", shown, doc)
	}
	_, _, err := w.Text(t.Context(), root(), new(uint32(aliceUID)), "one", 0, true)
	wantCode(t, "root asks for alice's secrets", err, errs.Forbidden)

	edited := strings.Replace(redacted, "busybox", "busybox:2", 1)
	if _, err := w.Update(t.Context(), alice(), nil, "one", "", []byte(edited), 0); err != nil {
		t.Fatalf("update with the marker: %v", err)
	}
	if shown := w.text(alice(), "one", 0, true); shown != strings.Replace(string(doc), "busybox", "busybox:2", 1) {
		t.Errorf("after an update with the marker the text is %q", shown)
	}
	if _, err := w.Copy(t.Context(), alice(), nil, "one", "two"); err != nil {
		t.Fatal(err)
	}
	if shown := w.text(alice(), "two", 0, true); !strings.Contains(shown, "s3cret") {
		t.Errorf("the copy has lost the secret: %s", shown)
	}
	_, err = w.Create(t.Context(), bob(), nil, "", []byte(redacted))
	wantCode(t, "create with a marker that stands for nothing", err, errs.Invalid)
}

func TestOthers_SeeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.create(alice(), document("one", "busybox"))
	_, missing := w.Get(t.Context(), bob(), nil, "zzzz")
	for _, ref := range []string{made.ID, "one", made.ID[:4]} {
		_, err := w.Get(t.Context(), bob(), nil, ref)
		wantCode(t, "bob gets "+ref, err, errs.NotFound)
		want := strings.ReplaceAll(missing.Error(), "zzzz", ref)
		if err == nil || err.Error() != want {
			t.Errorf("bob's answer for %s is %q, want that for nothing: %q", ref, err, want)
		}
	}
	_, err := w.Get(t.Context(), bob(), new(uint32(aliceUID)), "one")
	wantCode(t, "bob names alice as the owner", err, errs.Forbidden)
	_, err = w.List(t.Context(), bob(), api.ListQuery{AllUsers: true})
	wantCode(t, "bob lists everybody's", err, errs.Forbidden)

	if _, err := w.Get(t.Context(), root(), new(uint32(aliceUID)), "one"); err != nil {
		t.Errorf("root gets alice's by name: %v", err)
	}
	if _, err := w.Get(t.Context(), root(), nil, made.ID); err != nil {
		t.Errorf("root gets alice's by id: %v", err)
	}
}

func TestList_Pages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.create(alice(), document(fmt.Sprintf("t%d", i), "busybox"))
		w.create(bob(), document(fmt.Sprintf("t%d", i), "busybox"))
	}
	for _, all := range []bool{false, true} {
		var names []string
		q := api.ListQuery{AllUsers: all, Limit: 3}
		caller := alice()
		if all {
			caller = root()
		}
		for {
			page, err := w.List(t.Context(), caller, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Templates) > 3 {
				t.Fatalf("a page has %d, want at most 3", len(page.Templates))
			}
			for _, x := range page.Templates {
				names = append(names, fmt.Sprintf("%d/%s", x.OwnerUID, x.Name))
			}
			if page.Next == "" {
				break
			}
			q.After = page.Next
		}
		want := 7
		if all {
			want = 14
		}
		if len(names) != want || len(unique(names)) != want {
			t.Errorf("all=%v: the pages together are %v, want %d, each once", all, names, want)
		}
	}
	_, err := w.List(t.Context(), alice(), api.ListQuery{After: "rubbish"})
	wantCode(t, "list after rubbish", err, errs.Invalid)
}

func unique(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

func TestPurgeExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3 {
		w.create(alice(), document(fmt.Sprintf("t%d", i), "busybox"))
		if _, err := w.Delete(t.Context(), alice(), nil, fmt.Sprintf("t%d", i), 0, false); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(300 * time.Hour)
	}
	w.PurgeExpired(t.Context())
	page, err := w.List(t.Context(), alice(), api.ListQuery{Deleted: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Templates) != 2 {
		t.Errorf("after 900 hours %d deleted ones are left, want the 2 younger ones", len(page.Templates))
	}
	_, err = w.Restore(t.Context(), alice(), nil, "t0", "")
	wantCode(t, "restore of a purged one", err, errs.NotFound)
}

func TestPrune_KeepsTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(alice(), document("one", "busybox:0"))
	for i := range 9 {
		_, err := w.Update(t.Context(), alice(), nil, "one", "", document("one", fmt.Sprintf("busybox:%d", i+1)), 0)
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := w.History(t.Context(), alice(), nil, "one")
	if err != nil || len(h.Revisions) != 5 || h.Revisions[0].Revision != 10 {
		t.Errorf("history: %+v, %v; want the 5 newest of 10", h, err)
	}
	_, _, err = w.Text(t.Context(), alice(), nil, "one", 2, false)
	wantCode(t, "text of a dropped revision", err, errs.NotFound)
}
