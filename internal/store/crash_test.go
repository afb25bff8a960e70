package store

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/atomicfile"
	"agentd/internal/layout"
)

// tree is all that a state directory holds, by its path in it: the content of files, "/" for directories. What says
// nothing about templates is left out: the lock, the ballast, the directories of an owner that may be empty.
func tree(t testing.TB, state layout.State) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(string(state), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(string(state), path)
		if err != nil {
			return err
		}
		switch {
		case path == state.Ballast():
			return fs.SkipDir
		case path == state.Lock():
		case e.IsDir():
			if strings.Count(name, "/") >= 3 {
				found[name] = "/"
			}
		default:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[name] = string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// copyState copies a state directory to a new place.
func copyState(t *testing.T, from layout.State, to string) layout.State {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(string(from))); err != nil {
		t.Fatal(err)
	}
	return layout.State(to)
}

// crashCase is one kind of change, with the state before and the trees before and after.
type crashCase struct {
	op       string
	base     layout.State
	old, new map[string]string
}

// crashCases makes the baseline and does each change once, unharmed.
func crashCases(t *testing.T, dir string) []crashCase {
	t.Helper()
	base := layout.State(filepath.Join(dir, "base"))
	crashBaseline(t, base)
	var cases []crashCase
	for _, op := range slices.Sorted(maps.Keys(crashOps())) {
		state := copyState(t, base, filepath.Join(dir, "unharmed"))
		s := openStore(t, state)
		c := crashCase{op: op, base: base, old: tree(t, state)}
		if err := crashOps()[op](s.Templates()); err != nil {
			t.Fatal(err)
		}
		c.new = tree(t, state)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// check opens the store on what a crash has left and compares: old or new, new if it was acknowledged, nothing beside
// it.
func (c crashCase) check(t *testing.T, state layout.State, acknowledged bool, where string) (isNew bool) {
	t.Helper()
	s := openStore(t, state)
	defer s.Close()
	if d := s.Damaged(); len(d) > 0 {
		t.Errorf("%s: %s: damage after a crash: %v", c.op, where, d)
	}
	got := tree(t, state)
	switch {
	case cmp.Equal(got, c.new):
		isNew = true
	case acknowledged:
		t.Errorf("%s: %s: acknowledged, but not there:\n%s", c.op, where, cmp.Diff(c.new, got))
	case c.op == "prune":
		c.checkPruned(t, s, got, where)
	case !cmp.Equal(got, c.old):
		t.Errorf("%s: %s: neither old nor new; from old:\n%s", c.op, where, cmp.Diff(c.old, got))
	}
	return isNew
}

// checkPruned accepts any number of old revisions that are left, if all of them are whole and nothing else is there.
func (c crashCase) checkPruned(t *testing.T, s *Store, got map[string]string, where string) {
	t.Helper()
	for name, data := range c.new {
		if got[name] != data {
			t.Errorf("prune: %s: %s is not what it was", where, name)
		}
	}
	for name, data := range got {
		if c.old[name] != data {
			t.Errorf("prune: %s: %s was not there", where, name)
		}
	}
	revs, err := s.Templates().Revisions(crashUID, idTarget)
	if err != nil {
		t.Error(err)
	}
	for _, rev := range revs {
		if text := mustText(t, s, crashUID, idTarget, rev.Number); text != string(textOf("target", rev.Number)) {
			t.Errorf("prune: %s: revision %d: %q", where, rev.Number, text)
		}
		if secrets, err := s.Templates().Secrets(crashUID, idTarget, rev.Number); err != nil || len(secrets) != 1 {
			t.Errorf("prune: %s: secrets of revision %d: %v, %v", where, rev.Number, secrets, err)
		}
	}
}

func TestCrash_KilledAtEverySystemCall(t *testing.T) {
	t.Parallel()
	strace := straceOf(t)
	dir := fastDir(t)
	kills, olds, news := 0, 0, 0
	for _, c := range crashCases(t, dir) {
		killed := map[string]int{}
		calls, ready := traceHelper(t, strace, copyState(t, c.base, filepath.Join(dir, "traced")), c.op)
		nth := map[string]int{}
		for i, call := range calls {
			nth[call.name]++
			if i <= ready || !call.touchesFiles() {
				continue
			}
			where := fmt.Sprintf("killed at %s number %d", call.name, nth[call.name])
			state := copyState(t, c.base, filepath.Join(dir, "killed"))
			out := runHelper(t, strace, state, c.op, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call.name,
				"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call.name, nth[call.name]))
			if out.failed || !out.ready && !out.done {
				t.Fatalf("%s: %s: the helper: %+v", c.op, where, out)
			}
			if c.check(t, state, out.done, where) {
				news++
			} else {
				olds++
			}
			if !out.done {
				killed[call.name]++
				kills++
			}
		}
		if len(killed) == 0 {
			t.Errorf("%s: no system call was hit", c.op)
		}
		t.Logf("%-8s killed at %v", c.op, killed)
	}
	t.Logf("%d kills: %d times old, %d times new", kills, olds, news)
}

// errorsOf are the errors that a disk may answer a call with; those that only ask have room for it.
func errorsOf(c call) []string {
	switch c.name {
	case "fcntl", "close":
		return nil
	case "newfstatat", "fstat", "lseek", "getdents64":
		return []string{"EIO"}
	}
	return []string{"EIO", "ENOSPC"}
}

func TestFault_ErrorAtEverySystemCall(t *testing.T) {
	t.Parallel()
	strace := straceOf(t)
	dir := fastDir(t)
	runs, refused, inDoubt := 0, 0, 0
	for _, c := range crashCases(t, dir) {
		if c.op != "update" && c.op != "create" {
			continue
		}
		calls, ready := traceHelper(t, strace, copyState(t, c.base, filepath.Join(dir, "traced")), c.op)
		nth := map[string]int{}
		for i, call := range calls {
			nth[call.name]++
			if i <= ready || !call.touchesFiles() || call.name == "write" && call.args[0] == "3" {
				continue
			}
			for _, errno := range errorsOf(call) {
				where := fmt.Sprintf("%s at %s number %d", errno, call.name, nth[call.name])
				state := copyState(t, c.base, filepath.Join(dir, "failed"))
				out := runHelper(t, strace, state, c.op, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call.name,
					"-e", fmt.Sprintf("inject=%s:error=%s:when=%d", call.name, errno, nth[call.name]))
				if !out.done && !out.failed {
					t.Fatalf("%s: %s: the helper: %+v", c.op, where, out)
				}
				c.check(t, state, out.done, where)
				runs++
				if out.again {
					refused++
				}
				// Only a change that may or may not have happened is not to be tried again.
				if out.failed {
					inDoubt++
					if !strings.Contains(out.stderr, atomicfile.ErrInDoubt.Error()) {
						t.Errorf("%s: %s: it cannot be done again: %s", c.op, where, out.stderr)
					}
				}
			}
		}
	}
	if refused == 0 || inDoubt == 0 {
		t.Errorf("%d errors were passed on, %d left a doubt: want some of each", refused, inDoubt)
	}
	t.Logf("%d injected errors: %d changes refused and %d of them done at the second try, %d in doubt until a restart",
		runs, refused, refused-inDoubt, inDoubt)
}
