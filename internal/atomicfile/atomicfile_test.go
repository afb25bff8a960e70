package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWrite_ReplacesWithTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file.json")
	for _, want := range []string{"one", "", "three"} {
		if err := Write(path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, 100)
		if err != nil || string(got) != want {
			t.Errorf("Read: %q, %v, want %q", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("leftovers: %v, %v", entries, err)
	}
}

func TestWrite_LeavesNothingBehindWhenItFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "missing", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("leftovers: %v, %v", entries, err)
	}
}

// odd makes one of each thing that is no regular file.
func odd(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	paths := map[string]string{}
	for _, name := range []string{"FIFO", "directory", "link", "dangling link", "socket"} {
		paths[name] = filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
	}
	target := filepath.Join(dir, "target")
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) }) // the end of the test
	for _, err := range []error{
		unix.Mkfifo(paths["FIFO"], 0o600), os.Mkdir(paths["directory"], 0o700), os.WriteFile(target, []byte("x"), 0o600),
		os.Symlink(target, paths["link"]), os.Symlink("nowhere", paths["dangling link"]),
		unix.Bind(socket, &unix.SockaddrUnix{Name: paths["socket"]}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func TestReadAndWrite_RefuseWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	for name, path := range odd(t) {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path, 100); !errors.Is(err, ErrNotRegular) {
			t.Errorf("read a %s: %v", name, err)
		}
		if err := Write(path, []byte("y"), 0o600); !errors.Is(err, ErrNotRegular) {
			t.Errorf("write a %s: %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: changed from %v to %v, %v", name, before, after, err)
		}
	}
}

func TestRead_HoldsTheLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("limit 4: %v", err)
	}
	if got, err := Read(path, 5); err != nil || string(got) != "12345" {
		t.Errorf("limit 5: %q, %v", got, err)
	}
	// Its size says 0, and it has content all the same.
	if _, err := Read("/proc/self/maps", 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file that is larger than it says: %v", err)
	}
	if got, err := Read("/proc/self/status", 1<<20); err != nil || !strings.HasPrefix(string(got), "Name:") {
		t.Errorf("a file without a size: %.20q, %v", got, err)
	}
}

func TestMkdirAll_ModesWhateverTheUmask(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(deep, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "a/b", "a/b/c"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := Write(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(file, 0o700); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func TestRemove_TwiceIsNoError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTempOf_KnowsTheNamesOfWrite(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		".000001.json123456789": "000001.json", ".format7": "format",
		"000001.json": "", ".json": "", ".": "", ".123": "", "": "", "x1": "", ".hidden": "",
	} {
		if got, ok := TempOf(name); got != want || ok != (want != "") {
			t.Errorf("TempOf(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
}
