package binder_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/binder"
	"agentd/internal/errs"
	"agentd/internal/testenv"
)

// open opens a source as the helper does.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

// flags are the options of the mount at path, nil if nothing is mounted there.
func flags(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[4] == path {
			found = strings.Split(fields[5], ",")
		}
	}
	return found
}

func wantFlags(t *testing.T, path string, want ...string) {
	t.Helper()
	got := flags(t, path)
	for _, flag := range want {
		if !slices.Contains(got, flag) {
			t.Errorf("the mount at %s has %v, want %s", path, got, flag)
		}
	}
}

// place is a binder with a directory for sources beside its own; all mounts go before the directory does.
func place(t *testing.T) (m *binder.Mounts, dir, src string) {
	t.Helper()
	testenv.Root(t)
	root := testenv.Dir(t)
	dir, src = filepath.Join(root, "mnt"), filepath.Join(root, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	return binder.NewMounts(dir), dir, src
}

func bind(t *testing.T, m *binder.Mounts, session string, index int, path string, readOnly bool) string {
	t.Helper()
	b, err := m.Bind(t.Context(), binder.Source{Session: session, Index: index, File: open(t, path), ReadOnly: readOnly})
	if err != nil {
		t.Fatal(err)
	}
	if b.Volume != "" {
		t.Errorf("gives the volume %q, want a path only", b.Volume)
	}
	return b.Path
}

func TestMounts_BindsDirectoriesAndFilesWithoutSetuidAndDevices(t *testing.T) {
	m, _, src := place(t)
	write(t, filepath.Join(src, "file"), "text")
	d := bind(t, m, "s", 0, src, false)
	f := bind(t, m, "s", 1, filepath.Join(src, "file"), false)
	wantText(t, filepath.Join(d, "file"), "text")
	wantText(t, f, "text")
	wantFlags(t, d, "nosuid", "nodev", "rw")
	wantFlags(t, f, "nosuid", "nodev", "rw")
	write(t, filepath.Join(d, "file"), "through the mount")
	wantText(t, filepath.Join(src, "file"), "through the mount")
}

func TestMounts_ReadOnlyIsSoForAllBeneath(t *testing.T) {
	m, _, src := place(t)
	write(t, filepath.Join(src, "file"), "text")
	sub := filepath.Join(src, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(sub, "deep"), "taken along")

	d := bind(t, m, "s", 0, src, true)
	f := bind(t, m, "s", 1, filepath.Join(src, "file"), true)
	wantText(t, filepath.Join(d, "sub", "deep"), "taken along")
	for _, path := range []string{d, filepath.Join(d, "sub"), f} {
		wantFlags(t, path, "ro", "nosuid", "nodev")
	}
	for _, path := range []string{filepath.Join(d, "file"), filepath.Join(d, "sub", "deep"), f} {
		if err := os.WriteFile(path, []byte("x"), 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s gives %v, want EROFS", path, err)
		}
	}
	write(t, filepath.Join(sub, "deep"), "the source stays writable")
	if err := m.Release(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	wantText(t, filepath.Join(sub, "deep"), "the source stays writable")
}

func TestMounts_WhatWasOpenedIsMountedWhateverIsPutInItsPlace(t *testing.T) {
	m, _, src := place(t)
	victim, moved := filepath.Join(src, "victim"), filepath.Join(src, "moved")
	write(t, filepath.Join(victim, "mark"), "original")
	const rounds = 100
	won := 0
	for range rounds {
		f := open(t, victim)
		if err := errors.Join(os.Rename(victim, moved), os.Symlink("/etc", victim)); err != nil {
			t.Fatal(err)
		}
		b, err := m.Bind(t.Context(), binder.Source{Session: "s", File: f})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(b.Path, "mark")); err != nil || string(got) != "original" {
			won++
		}
		if err := errors.Join(os.Remove(victim), os.Rename(moved, victim), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if won != 0 {
		t.Errorf("the swap won %d of %d times, want 0", won, rounds)
	}
}

func TestMounts_ABindOfTheSameIndexIsReplaced(t *testing.T) {
	m, dir, src := place(t)
	write(t, filepath.Join(src, "a"), "a")
	write(t, filepath.Join(src, "b", "in"), "b")
	bind(t, m, "s", 0, filepath.Join(src, "a"), false)
	wantText(t, filepath.Join(bind(t, m, "s", 0, filepath.Join(src, "b"), false), "in"), "b")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want one mountpoint", entries, err)
	}
	wantText(t, filepath.Join(src, "a"), "a")
}

func TestMounts_ReleaseTakesItsOwnSessionOnlyAndLeavesTheSources(t *testing.T) {
	m, dir, src := place(t)
	write(t, filepath.Join(src, "file"), "text")
	gone := []string{bind(t, m, "s", 0, src, false), bind(t, m, "s", 1, filepath.Join(src, "file"), true)}
	kept := bind(t, m, "s2", 0, src, false)
	if got, err := m.Sessions(t.Context()); err != nil || !slices.Equal(got, []string{"s", "s2"}) {
		t.Errorf("Sessions gives %v, %v; want s and s2", got, err)
	}
	for range 2 {
		// Another Mounts: a release needs no memory of the process that bound.
		if err := binder.NewMounts(dir).Release(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range gone {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) || flags(t, path) != nil {
			t.Errorf("%s is left: %v, %v", path, err, flags(t, path))
		}
	}
	wantText(t, filepath.Join(src, "file"), "text")
	wantText(t, filepath.Join(kept, "file"), "text")
	if got, err := m.Sessions(t.Context()); err != nil || !slices.Equal(got, []string{"s2"}) {
		t.Errorf("Sessions gives %v, %v; want s2", got, err)
	}
}

func TestMounts_NothingIsMountedBeforeTheFirstBindAndAfterClose(t *testing.T) {
	m, dir, src := place(t)
	if got, err := m.Sessions(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Sessions gives %v, %v; want none", got, err)
	}
	if err := errors.Join(m.Release(t.Context(), "s"), m.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made before the first bind: %v", err)
	}
	held := bind(t, m, "s", 0, src, false)
	if err := m.Close(); err != nil || flags(t, dir) == nil || flags(t, held) == nil {
		t.Errorf("Close with a bind gives %v, mounts %v and %v; want both left", err, flags(t, dir), flags(t, held))
	}
	if err := errors.Join(m.Release(t.Context(), "s"), m.Close()); err != nil || flags(t, dir) != nil {
		t.Errorf("Close without one gives %v, and leaves the mount %v", err, flags(t, dir))
	}
	if again := bind(t, m, "s", 0, src, false); flags(t, dir) == nil || flags(t, again) == nil {
		t.Error("after Close, a bind does not prepare the directory again")
	}
}

func TestMounts_RefusesWhatIsNeitherDirectoryNorRegularFile(t *testing.T) {
	m, dir, src := place(t)
	fifo, socket, link := filepath.Join(src, "fifo"), filepath.Join(src, "socket"), filepath.Join(src, "link")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink("/etc", link)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{fifo, socket, link} {
		_, err := m.Bind(t.Context(), binder.Source{Session: "s", File: open(t, path)})
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("binding %s gives %v, want %s", path, err, errs.Invalid)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("refused binds leave %v, %v", entries, err)
	}
}
