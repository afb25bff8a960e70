package removetree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/testenv"
)

// write makes a file with its directories.
func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// gone fails the test if the path is there.
func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there (%v)", path, err)
	}
}

func TestRemove_FollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep, tree := filepath.Join(dir, "keep"), filepath.Join(dir, "tree")
	write(t, filepath.Join(keep, "file"))
	write(t, filepath.Join(tree, "a", "b", "file"))
	for name, target := range map[string]string{"to-dir": keep, "to-file": keep + "/file", "up": "..", "nowhere": "x"} {
		if err := os.Symlink(target, filepath.Join(tree, "a", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(tree, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(t.Context(), tree); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, tree)
	if _, err := os.Stat(filepath.Join(keep, "file")); err != nil {
		t.Error(err)
	}
	// A link in the place of the tree itself is removed, not followed.
	if err := os.Symlink(keep, tree); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	gone(t, tree)
	if _, err := os.Stat(filepath.Join(keep, "file")); err != nil {
		t.Error(err)
	}
}

func TestRemove_ManyEntriesAndDeepNests(t *testing.T) {
	t.Parallel()
	tree := filepath.Join(t.TempDir(), "tree")
	for i := range 3000 {
		write(t, filepath.Join(tree, "wide", fmt.Sprintf("file-%d", i)))
	}
	// Deeper than there may be open files, and than a path may be long.
	fd, err := unix.Open(tree, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 200)
	for range 3000 {
		if err := unix.Mkdirat(fd, name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	if err := Remove(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	gone(t, tree)
}

func TestRemove_DirectoriesThatTheirOwnerMayNotWriteTo(t *testing.T) {
	t.Parallel()
	tree := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(tree, "module", "sub", "file"))
	for _, dir := range []string{"module/sub", "module"} {
		if err := os.Chmod(filepath.Join(tree, dir), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	gone(t, tree)
}

func TestRemove_Canceled(t *testing.T) {
	t.Parallel()
	tree := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(tree, "file"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Remove(ctx, tree); !errors.Is(err, context.Canceled) {
		t.Fatalf("Remove: %v", err)
	}
	if _, err := os.Stat(filepath.Join(tree, "file")); err != nil {
		t.Error(err)
	}
}

func TestRemove_LeavesWhatIsMountedInside(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	home, tree := filepath.Join(dir, "home"), filepath.Join(dir, "tree")
	for i := range 5 {
		write(t, filepath.Join(home, "sub", fmt.Sprintf("file-%d", i)))
	}
	write(t, filepath.Join(home, "single"))
	write(t, filepath.Join(tree, "before"))
	write(t, filepath.Join(tree, "work", "zz"))
	write(t, filepath.Join(tree, "work", "file"))
	mounts := map[string]string{"work/data": home, "work/data2": filepath.Join(home, "sub"), "work/file": home + "/single"}
	for target, source := range mounts {
		path := filepath.Join(tree, target)
		if target != "work/file" {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		// A bind mount of the same filesystem: it has the device number of the tree.
		if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
			testenv.Closed(t, testenv.GateRoot, "needs to mount: "+err.Error())
		}
		t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) }) // unmounted in the test if all is well
	}
	err := Remove(t.Context(), tree)
	if !errors.Is(err, ErrMounted) {
		t.Fatalf("Remove: %v", err)
	}
	for target := range mounts {
		path := filepath.Join(tree, target)
		if !strings.Contains(err.Error(), path+": "+ErrMounted.Error()) {
			t.Errorf("the error does not name %s: %v", path, err)
		}
	}
	left, readErr := filepath.Glob(filepath.Join(home, "sub", "file-*"))
	if readErr != nil || len(left) != 5 {
		t.Errorf("files left of 5: %v, %v", left, readErr)
	}
	gone(t, filepath.Join(tree, "before"))
	gone(t, filepath.Join(tree, "work", "zz"))
	for target := range mounts {
		if err := unix.Unmount(filepath.Join(tree, target), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	gone(t, tree)
	if data, err := os.ReadFile(filepath.Join(home, "single")); err != nil || string(data) != "mine" {
		t.Errorf("the file that was mounted: %q, %v", data, err)
	}
}

func TestRemove_TreeThatIsAMountPoint(t *testing.T) {
	testenv.Root(t)
	dir := t.TempDir()
	home, tree := filepath.Join(dir, "home"), filepath.Join(dir, "tree")
	write(t, filepath.Join(home, "file"))
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(home, tree, "", unix.MS_BIND, ""); err != nil {
		testenv.Closed(t, testenv.GateRoot, "needs to mount: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(tree, unix.MNT_DETACH) }) // the end of the test
	if err := Remove(t.Context(), tree); !errors.Is(err, ErrMounted) {
		t.Errorf("Remove: %v", err)
	}
	if _, err := os.Stat(filepath.Join(home, "file")); err != nil {
		t.Error(err)
	}
}
