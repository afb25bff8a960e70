package vfolder_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/vfolder"
)

// hands act on real directories, as whoever runs the tests.
type hands struct{}

func (hands) Mkdir(_ context.Context, _ plan.User, root, rel string) error {
	return os.Mkdir(filepath.Join(root, rel), 0o700)
}

func (hands) Remove(_ context.Context, _ plan.User, root, rel string) error {
	return os.RemoveAll(filepath.Join(root, rel))
}

func (hands) CheckDir(_ context.Context, _ plan.User, dir string) error {
	_, err := os.ReadDir(dir)
	return err
}

func folders(t *testing.T) (*vfolder.Folders, layout.State) {
	t.Helper()
	state := layout.State(t.TempDir())
	now := func() time.Time { return time.Unix(1000, 0) }
	prepare := func(as plan.User) error { return os.MkdirAll(state.User(as.UID).VFolders(), 0o700) }
	return vfolder.New(state, hands{}, now, prepare), state
}

func TestFolders_CreateFindListRemove(t *testing.T) {
	f, state := folders(t)
	as := plan.User{UID: 7}
	for _, name := range []string{"b", "a"} {
		made, err := f.Create(t.Context(), as, name, "")
		want := vfolder.Folder{
			Name: name, Owner: 7, Path: state.User(7).VFolder(name), Created: time.Unix(1000, 0).UTC(),
		}
		if diff := cmp.Diff(want, made); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		if found, err := f.Find(7, name); err != nil || found != made {
			t.Errorf("Find gives %+v, %v; want %+v", found, err, made)
		}
	}
	if _, err := f.Create(t.Context(), as, "a", ""); !errs.Is(err, errs.Conflict) {
		t.Errorf("a second one gives %v, want %s", err, errs.Conflict)
	}
	if _, err := f.Find(8, "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("another owner finds it: %v", err)
	}
	if list, err := f.List(7); err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
		t.Errorf("List gives %+v, %v; want a and b", list, err)
	}
	if _, err := f.Remove(t.Context(), as, 7, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(state.User(7).VFolder("a")); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	if _, err := f.Remove(t.Context(), as, 7, "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("removing it again gives %v, want %s", err, errs.NotFound)
	}
}

func TestFolders_AnExternalDirectoryIsKept(t *testing.T) {
	f, _ := folders(t)
	as, dir := plan.User{UID: 7}, t.TempDir()
	if _, err := f.Create(t.Context(), as, "rel", "some/where"); !errs.Is(err, errs.Invalid) {
		t.Errorf("a relative path gives %v, want %s", err, errs.Invalid)
	}
	if _, err := f.Create(t.Context(), as, "none", filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there is taken")
	}
	if made, err := f.Create(t.Context(), as, "mine", dir+"/"); err != nil || made.Path != dir || !made.External {
		t.Fatalf("gives %+v, %v", made, err)
	}
	if _, err := f.Remove(t.Context(), as, 7, "mine"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the owner's directory is gone: %v", err)
	}
	if list, err := f.List(7); err != nil || len(list) != 0 {
		t.Errorf("List gives %+v, %v; want none", list, err)
	}
}

func TestFolders_ADamagedRecordHidesNoOther(t *testing.T) {
	f, state := folders(t)
	for _, name := range []string{"bad", "good"} {
		if _, err := f.Create(t.Context(), plan.User{UID: 7}, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(state.User(7).VFolderRecord("bad"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := f.List(7); err != nil || len(list) != 1 || list[0].Name != "good" {
		t.Errorf("List gives %+v, %v; want good", list, err)
	}
	if _, err := f.Find(7, "bad"); !errs.Is(err, errs.Damaged) {
		t.Errorf("Find gives %v, want %s", err, errs.Damaged)
	}
}

func TestCheckName_Rule(t *testing.T) {
	for _, name := range []string{"a", "_", "0", "A.b-c_d", strings.Repeat("x", 64)} {
		if err := vfolder.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", "a\x00", strings.Repeat("x", 65)} {
		if err := vfolder.CheckName(name); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q gives %v, want %s", name, err, errs.Invalid)
		}
	}
}
