package helper

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// plant makes a tree that is the given user's.
func plant(t *testing.T, dir string, uid, gid uint32, make func(dir string)) {
	t.Helper()
	make(dir)
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, errors ...error) {
	t.Helper()
	for _, err := range errors {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen_Rules(t *testing.T) {
	as := someone()
	dir := theirDir(t, as)
	plant(t, dir, as.UID, as.GID, func(d string) {
		must(t, os.MkdirAll(d+"/root/sub/deep", 0o755), os.MkdirAll(d+"/outside", 0o755),
			os.WriteFile(d+"/root/file", []byte("x"), 0o644), os.WriteFile(d+"/root/readonly", nil, 0o444),
			os.Symlink("sub", d+"/root/inner"), os.Symlink("../outside", d+"/root/outer"),
			os.Symlink("/etc", d+"/root/absolute"), unix.Mkfifo(d+"/root/fifo", 0o644))
	})
	root := dir + "/root"
	for _, tt := range []struct {
		name string
		req  OpenRequest
		code errs.Code
		want string
	}{
		{"directory", OpenRequest{Root: root, Path: "sub/deep"}, "", "directory"},
		{"root itself", OpenRequest{Root: root, Path: "."}, "", "directory"},
		{"file", OpenRequest{Root: root, Path: "file", Write: true}, "", "file"},
		{"missing", OpenRequest{Root: root, Path: "no"}, errs.NotFound, "no such file"},
		{"missing root", OpenRequest{Root: dir + "/no", Path: "."}, errs.NotFound, dir + "/no"},
		{"dot dot", OpenRequest{Root: root, Path: "../outside"}, errs.Conflict, "leads out"},
		{"absolute", OpenRequest{Root: root, Path: "/etc"}, errs.Conflict, "leads out"},
		{"link refused", OpenRequest{Root: root, Path: "inner/deep"}, errs.Conflict, "symbolic link"},
		{"link within", OpenRequest{Root: root, Path: "inner/deep", Symlinks: true}, "", "directory"},
		{"link out", OpenRequest{Root: root, Path: "outer", Symlinks: true}, errs.Conflict, "leads out"},
		{"absolute link", OpenRequest{Root: root, Path: "absolute", Symlinks: true}, errs.Conflict, "leads out"},
		{"pipe", OpenRequest{Root: root, Path: "fifo"}, errs.Conflict, "neither a directory nor a regular file"},
		{"magic link", OpenRequest{Root: "/proc/self", Path: "cwd", Symlinks: true}, errs.Conflict, "as uid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := start(t, Starter{}, as)
			f, o, err := k.Open(t.Context(), tt.req)
			if errs.CodeOf(err) != tt.code || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("got %v (%s), want %s %q", err, errs.CodeOf(err), tt.code, tt.want)
			}
			if err != nil {
				return
			}
			defer f.Close()
			var st unix.Stat_t
			must(t, unix.Fstat(int(f.Fd()), &st))
			if o.Directory != (tt.want == "directory") || o.Inode != st.Ino || o.Device != st.Dev {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestOpen_NeedsTheCallersOwnRights(t *testing.T) {
	rootOnly(t)
	as := someone()
	dir := theirDir(t, as)
	must(t, os.Mkdir(dir+"/closed", 0o700), os.Mkdir(dir+"/open", 0o755), os.Mkdir(dir+"/closed/in", 0o777))
	k := start(t, Starter{}, as)
	for _, path := range []string{"closed", "closed/in"} {
		_, _, err := k.Open(t.Context(), OpenRequest{Root: dir, Path: path})
		want := "open " + dir + "/" + path + " as uid 2001: permission denied"
		if !errs.Is(err, errs.Forbidden) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if f, _, err := k.Open(t.Context(), OpenRequest{Root: dir, Path: "open"}); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if _, _, err := k.Open(t.Context(), OpenRequest{Root: dir, Path: "open", Write: true}); !errs.Is(err, errs.Forbidden) {
		t.Errorf("write: got %v", err)
	}
}

func TestMkdir_MakesAsTheCallerAndFollowsNoLink(t *testing.T) {
	as := someone()
	dir := theirDir(t, as)
	plant(t, dir, as.UID, as.GID, func(d string) {
		must(t, os.MkdirAll(d+"/root/there", 0o700), os.Mkdir(d+"/outside", 0o755), os.Symlink(d+"/outside", d+"/root/link"),
			os.WriteFile(d+"/root/file", nil, 0o644))
	})
	root := dir + "/root"
	k := start(t, Starter{}, as)
	made, err := k.Mkdir(t.Context(), MkdirRequest{Root: root, Entries: []Entry{
		{Path: "there/a/b"}, {Path: "there/a/f", File: true}, {Path: "private", Mode: 0o700}, {Path: "file", File: true},
	}})
	if err != nil || !slices.Equal(made, []string{"there/a", "there/a/b", "there/a/f", "private"}) {
		t.Fatalf("made %q, %v", made, err)
	}
	for path, mode := range map[string]os.FileMode{
		"there/a": 0o755, "there/a/b": 0o755, "there/a/f": 0o644, "private": 0o700, "there": 0o700,
	} {
		fi, err := os.Lstat(root + "/" + path)
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != as.UID || st.Gid != as.GID {
			t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
		}
	}
	for path, want := range map[string]string{
		"link/x": "symbolic link", "link": "symbolic link", "file/x": "not a directory", "../x": "leads out", "new/../../x": "leads out",
	} {
		made, err := k.Mkdir(t.Context(), MkdirRequest{Root: root, Entries: []Entry{{Path: path}}})
		if err == nil || !strings.Contains(err.Error(), want) || len(made) != 0 {
			t.Errorf("%s: made %q, %v", path, made, err)
		}
	}
	if _, err := k.Mkdir(t.Context(), MkdirRequest{Root: root, Entries: []Entry{{Path: "link", File: true}}}); err == nil {
		t.Error("a link was taken for a file")
	}
	if left, _ := os.ReadDir(dir + "/outside"); len(left) != 0 {
		t.Errorf("made outside: %v", left)
	}
}

func TestRemove_TakesEverythingAndFollowsNoLink(t *testing.T) {
	as := someone()
	dir := theirDir(t, as)
	plant(t, dir, as.UID, as.GID, func(d string) {
		must(t, os.MkdirAll(d+"/root/t/locked/in", 0o755), os.MkdirAll(d+"/outside", 0o755),
			os.WriteFile(d+"/outside/precious", nil, 0o644), os.WriteFile(d+"/root/t/locked/in/f", nil, 0o400),
			os.Symlink(d+"/outside", d+"/root/t/link"), os.Symlink(d+"/outside", d+"/root/way"))
		for i := range 600 {
			must(t, os.WriteFile(d+"/root/t/"+strings.Repeat("n", i%200)+string(rune('a'+i/200)), nil, 0o644))
		}
		deep := d + "/root/t"
		for range 300 {
			deep += "/d"
		}
		must(t, os.MkdirAll(deep, 0o755), os.Chmod(d+"/root/t/locked/in", 0), os.Chmod(d+"/root/t/locked", 0o500))
	})
	k := start(t, Starter{Limits: Limits{OpenFiles: 100}}, as)
	for _, path := range []string{".", "..", "../outside", "/etc"} {
		if err := k.Remove(t.Context(), RemoveRequest{Root: dir + "/root", Path: path}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := k.Remove(t.Context(), RemoveRequest{Root: dir + "/root", Path: "way/precious"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("through a link: %v", err)
	}
	for range 2 { // the second time nothing is there
		if err := k.Remove(t.Context(), RemoveRequest{Root: dir + "/root", Path: "t"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Remove(t.Context(), RemoveRequest{Root: dir + "/root", Path: "way"}); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir + "/root")
	if err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
	must(t, os.Remove(dir+"/outside/precious"))
}

func TestRemove_NeverEntersAMount(t *testing.T) {
	rootOnly(t)
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/home", 0o755), os.WriteFile(dir+"/home/precious", nil, 0o644), os.MkdirAll(dir+"/t/a/bound", 0o755))
	must(t, unix.Mount(dir+"/home", dir+"/t/a/bound", "", unix.MS_BIND, ""))
	err := RemoveTree(dir, "t")
	must(t, unix.Unmount(dir+"/t/a/bound", 0))
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "something is mounted in it") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir + "/home/precious"); err != nil {
		t.Error("removed through the bind")
	}
	must(t, RemoveTree(dir, "t"))
}
