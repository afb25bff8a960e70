package beneath

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/testenv"
)

// ground is a directory with one of everything.
func ground(t *testing.T) (string, *os.File) {
	t.Helper()
	base := t.TempDir()
	path := filepath.Join(base, "d")
	secret := filepath.Join(base, "secret")
	must(t, os.Mkdir(path, 0o700))
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	must(t, os.WriteFile(filepath.Join(path, "file"), []byte("content"), 0o600))
	must(t, os.Symlink(secret, filepath.Join(path, "link")))
	must(t, os.Symlink("file", filepath.Join(path, "near")))
	must(t, os.Symlink("/proc/self/exe", filepath.Join(path, "magic")))
	must(t, os.Mkdir(filepath.Join(path, "dir"), 0o700))
	must(t, unix.Mkfifo(filepath.Join(path, "fifo"), 0o600))
	l, err := net.Listen("unix", filepath.Join(path, "sock"))
	must(t, err)
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // a test's
	dir, err := Dir(path)
	must(t, err)
	t.Cleanup(func() { dir.Close() }) //nolint:errcheck // only read
	return path, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadFile_OnlyARegularFileOfItsSize(t *testing.T) {
	_, dir := ground(t)
	if got, err := ReadFile(dir, "file", 7); err != nil || string(got) != "content" {
		t.Errorf("file: %q, %v", got, err)
	}
	if _, err := ReadFile(dir, "file", 6); err == nil {
		t.Error("a file over the limit was read")
	}
	for _, name := range []string{"link", "near", "magic", "dir", "fifo", "sock", "../secret", "dir/../file", ".", "..", "", "a\x00b"} {
		if got, err := ReadFile(dir, name, 100); err == nil {
			t.Errorf("%q: read %q", name, got)
		}
	}
	if _, err := ReadFile(dir, "none", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestSocket_OnlyASocket(t *testing.T) {
	path, dir := ground(t)
	must(t, os.Symlink("sock", filepath.Join(path, "socklink")))
	f, err := Socket(dir, "sock")
	must(t, err)
	f.Close() //nolint:errcheck // only looked at
	for _, name := range []string{"file", "link", "dir", "fifo", "socklink", "none"} {
		if _, err := Socket(dir, name); err == nil {
			t.Errorf("%s is a socket", name)
		}
	}
}

func TestRegular_CreatesInThatDirectoryOnly(t *testing.T) {
	path, dir := ground(t)
	f, err := Regular(dir, "new", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o640)
	must(t, err)
	f.Close() //nolint:errcheck // nothing was written
	info, err := os.Stat(filepath.Join(path, "new"))
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Regular(dir, "link", unix.O_WRONLY|unix.O_CREAT, 0o600); err == nil {
		t.Error("a link was written through")
	}
}

func TestDir_StaysTheSameWhenItsPathChanges(t *testing.T) {
	path, dir := ground(t)
	must(t, os.Rename(path, path+".old"))
	must(t, os.Mkdir(path, 0o700))
	must(t, os.WriteFile(filepath.Join(path, "file"), []byte("other"), 0o600))
	if got, err := ReadFile(dir, "file", 100); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	must(t, os.Symlink(path, path+".link"))
	if _, err := Dir(path + ".link"); err == nil {
		t.Error("a link was opened as the directory")
	}
}

func TestOpen_StaysOnItsFileSystem(t *testing.T) {
	testenv.Root(t)
	path, dir := ground(t)
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.WriteFile(other, []byte("other"), 0o600))
	if err := unix.Mount(other, filepath.Join(path, "file"), "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(filepath.Join(path, "file"), unix.MNT_DETACH) }) //nolint:errcheck // best effort
	if got, err := ReadFile(dir, "file", 100); err == nil {
		t.Errorf("read %q through a mount", got)
	}
}
