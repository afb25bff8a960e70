package vfolder_test

import (
	"os"
	"path/filepath"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

func TestRename_TakesTheFilesAlong(t *testing.T) {
	f, state := folders(t)
	as := plan.User{UID: 7}
	made, err := f.Create(t.Context(), as, "old", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(made.Path, "file"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	for name, path := range map[string]string{"taken": "", "mine": elsewhere} {
		if _, err := f.Create(t.Context(), as, name, path); err != nil {
			t.Fatal(err)
		}
	}
	for to, code := range map[string]errs.Code{"taken": errs.Conflict, "../x": errs.Invalid} {
		if _, err := f.Rename(7, "old", to); !errs.Is(err, code) {
			t.Errorf("to %q: %v, want %s", to, err, code)
		}
	}
	if _, err := f.Rename(8, "old", "new"); !errs.Is(err, errs.NotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	renamed, err := f.Rename(7, "old", "new")
	if err != nil || renamed.Name != "new" || renamed.Path != state.User(7).VFolder("new") {
		t.Fatalf("%+v, %v", renamed, err)
	}
	if text, err := os.ReadFile(filepath.Join(renamed.Path, "file")); err != nil || string(text) != "mine" {
		t.Errorf("the file is %q, %v", text, err)
	}
	if _, err := f.Find(7, "old"); !errs.Is(err, errs.NotFound) {
		t.Errorf("the old name: %v", err)
	}
	if got, err := f.Rename(7, "mine", "yours"); err != nil || got.Path != elsewhere {
		t.Errorf("an external one: %+v, %v", got, err)
	}
}

// A crash between the directory and the record leaves what a second try finishes.
func TestRename_IsFinishedByASecondTry(t *testing.T) {
	f, state := folders(t)
	if _, err := f.Create(t.Context(), plan.User{UID: 7}, "old", ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(state.User(7).VFolder("old"), state.User(7).VFolder("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Rename(7, "old", "new"); err != nil || got.Path != state.User(7).VFolder("new") {
		t.Errorf("%+v, %v", got, err)
	}
}
