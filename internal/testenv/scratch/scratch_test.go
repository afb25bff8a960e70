package scratch

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRemove_UndoesMountsAndLeavesTheirSources(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gate root: only root mounts")
	}
	source := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "with a blank")
	inner := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	// One over the other, as a bind that was made again.
	for range 2 {
		if err := unix.Mount(filepath.Dir(source), inner, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
	}
	if mounts, err := Mounts(dir); err != nil || len(mounts) != 2 {
		t.Errorf("mounts %q, %v; want both", mounts, err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory is still there")
	}
	if _, err := os.Stat(source); err != nil {
		t.Errorf("what was mounted is gone: %v", err)
	}
}

func TestUnescape_MountPoints(t *testing.T) {
	if got, want := unescape(`/a\040b\134c`), `/a b\c`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
