package attack

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/binder"
	"agentd/internal/helper"
	"agentd/internal/identity"
	"agentd/internal/testenv"
)

// patterns are the ways to put something else in a source's place.
var patterns = []string{"exchange", "retarget", "parent", "file"}

// swapForEver changes what HOME/PATTERN/... is between the user's own and the secret directory that he cannot enter.
func swapForEver(home, pattern string) {
	secret := filepath.Join(filepath.Dir(home), "secret")
	dir := filepath.Join(home, pattern)
	source := filepath.Join(dir, "source")
	var turn func() error
	exchange := func(a, b string) func() error {
		return func() error { return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) }
	}
	ready := errors.Join(os.MkdirAll(source, 0o755), os.WriteFile(filepath.Join(source, "mark"), []byte("mine"), 0o644))
	other := filepath.Join(dir, "other")
	switch pattern {
	case "exchange": // a directory with a link
		ready = errors.Join(ready, os.Symlink(secret, other))
		turn = exchange(source, other)
	case "retarget": // a link that leads now here, now there
		ready = errors.Join(ready, os.Rename(source, other), os.Symlink("other", source))
		next := filepath.Join(dir, "next")
		to := []string{"../../secret", "other"}
		turn = func() error {
			to[0], to[1] = to[1], to[0]
			return errors.Join(os.Symlink(to[0], next), os.Rename(next, source))
		}
	case "parent": // the directory above
		ready = errors.Join(ready, os.Symlink(filepath.Dir(secret), filepath.Join(home, "above")),
			os.Rename(source, filepath.Join(dir, "secret")))
		turn = exchange(dir, filepath.Join(home, "above"))
	case "file": // a file by a link to a file
		ready = errors.Join(os.RemoveAll(source), os.WriteFile(source, []byte("mine"), 0o644),
			os.Symlink(filepath.Join(secret, "mark"), other))
		turn = exchange(source, other)
	}
	if ready != nil {
		os.Stderr.WriteString(ready.Error() + "\n")
		return
	}
	os.Stdout.WriteString("begins\n")
	for {
		turn() // one that fails is followed by another
	}
}

// sourceOf is what the victim mounts.
func sourceOf(home, pattern string) string {
	if pattern == "parent" {
		return filepath.Join(home, pattern, "secret")
	}
	return filepath.Join(home, pattern, "source")
}

// ground is a home, and beside it a directory that its owner cannot enter.
func ground(t *testing.T) string {
	t.Helper()
	testenv.Root(t)
	dir := testenv.Dir(t)
	home, secret := filepath.Join(dir, "home"), filepath.Join(dir, "secret")
	must(t, errors.Join(os.Chmod(dir, 0o755), os.Mkdir(home, 0o755), os.Chown(home, int(alice.uid), int(alice.uid)),
		os.Mkdir(secret, 0o700), os.WriteFile(filepath.Join(secret, "mark"), []byte("root's"), 0o600)))
	return home
}

// stolen looks through a bind, as root's container would.
func stolen(path string) bool {
	text, err := os.ReadFile(path)
	if errors.Is(err, unix.EISDIR) {
		text, _ = os.ReadFile(filepath.Join(path, "mark"))
	}
	return string(text) == "root's"
}

const swaps = 250 // of each of four patterns

// TestSourceSwapper_NeverWins binds by the parts that agentd has for it.
func TestSourceSwapper_NeverWins(t *testing.T) {
	for _, pattern := range patterns {
		t.Run(pattern, func(t *testing.T) {
			home := ground(t)
			play(t, alice, "swapper", home, pattern)
			mounts := filepath.Join(filepath.Dir(home), "mnt")
			m := binder.NewMounts(mounts)
			// One child for all tries: a launch starts one for each mount.
			h, err := helper.Starter{}.Start(identity.Caller{UID: alice.uid, GID: alice.uid})
			must(t, err)
			defer h.Close()
			rel, err := filepath.Rel(home, sourceOf(home, pattern))
			must(t, err)
			bound, won := 0, 0
			for range swaps {
				f, _, err := h.Open(t.Context(), helper.OpenRequest{Root: home, Path: rel, Symlinks: true})
				if err != nil {
					continue
				}
				got, err := m.Bind(t.Context(), binder.Source{Session: "s", File: f})
				must(t, errors.Join(err, f.Close()))
				bound++
				if stolen(got.Path) {
					won++
				}
			}
			must(t, errors.Join(m.Release(t.Context(), "s"), m.Close()))
			t.Logf("of %d tries %d were bound, %d of them to what is root's", swaps, bound, won)
			if won > 0 || bound == 0 || bound == swaps {
				t.Errorf("won %d of %d, bound %d: want no win, and both answers, else nothing was tried", won, swaps, bound)
			}
		})
	}
}

// TestSourceSwapper_WinsAgainstAPathThatWasChecked does what is done everywhere: look, judge, and hand on the path.
func TestSourceSwapper_WinsAgainstAPathThatWasChecked(t *testing.T) {
	for _, pattern := range patterns {
		t.Run(pattern, func(t *testing.T) {
			home := ground(t)
			play(t, alice, "swapper", home, pattern)
			target := filepath.Join(filepath.Dir(home), "target")
			must(t, os.WriteFile(target+".file", nil, 0o600))
			must(t, os.Mkdir(target+".dir", 0o700))
			tries := 0
			for tries = 1; tries < 200_000; tries++ {
				source := sourceOf(home, pattern)
				if !allowed(home, source) {
					continue
				}
				at := target + ".dir"
				if pattern == "file" {
					at = target + ".file"
				}
				if unix.Mount(source, at, "", unix.MS_BIND, "") != nil {
					continue
				}
				won := stolen(at)
				must(t, unix.Unmount(at, unix.MNT_DETACH))
				if won {
					break
				}
			}
			t.Logf("the first win was try %d", tries)
			if tries == 200_000 {
				t.Error("the swapper won nothing")
			}
		})
	}
}

// allowed is a careful check: the path leads to something beneath home that the caller can open.
func allowed(home, path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || len(real) <= len(home) || real[:len(home)+1] != home+"/" {
		return false
	}
	ok := false
	as(alice, func() { ok = unix.Faccessat(unix.AT_FDCWD, real, unix.R_OK, unix.AT_EACCESS) == nil })
	return ok
}

// as runs f on a thread that has the user's ids and ends with it.
func as(u user, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		if become(u) == nil {
			f()
		}
	}()
	<-done
}

// become changes the ids of this thread alone, which the standard library does not do.
func become(u user) error {
	groups := make([]uint32, len(u.groups)+1)
	copy(groups, u.groups)
	groups[len(u.groups)] = u.uid
	if err := setgroups(groups); err != nil {
		return err
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.uid), uintptr(u.uid), uintptr(u.uid)); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.uid), uintptr(u.uid), uintptr(u.uid)); e != 0 {
		return e
	}
	return nil
}
