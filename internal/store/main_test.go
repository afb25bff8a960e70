package store

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"agentd/internal/layout"
	"agentd/internal/template"
)

// TestMain makes the test binary the helper of the crash tests if it is asked to be that.
func TestMain(m *testing.M) {
	if name := os.Getenv(crashOpEnv); name != "" {
		// All system calls of the change come from this thread: strace counts them per thread.
		runtime.LockOSThread()
		os.Exit(crashHelper(name, layout.State(os.Getenv(crashStateEnv))))
	}
	os.Exit(m.Run())
}

// What the helper is told by its parent, and tells it on descriptor 3.
const (
	crashOpEnv    = "STORE_TEST_CRASH_OP"
	crashStateEnv = "STORE_TEST_CRASH_STATE"
	helperReady   = "ready\n"
	helperAgain   = "again\n"
	helperDone    = "done\n"
	helperFailed  = "failed\n"
)

// crashHelper opens the store, does one change, and says so. After an error it tries again, as people do.
func crashHelper(name string, state layout.State) int {
	out := os.NewFile(3, "acknowledgement")
	s, err := Open(state, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	out.WriteString(helperReady) // the parent sees that nothing came
	err = crashOps()[name](s.Templates())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		out.WriteString(helperAgain) // as above
		err = crashOps()[name](s.Templates())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		out.WriteString(helperFailed) // as above
		return 3
	}
	out.WriteString(helperDone) // as above
	return 0
}

// The baseline of the crash tests: ids of owner 1000.
const (
	crashUID     = 1000
	idTarget     = "target"
	idDeleted    = "deleted"
	idBystander  = "bystander"
	targetNumber = 4
)

// crashOps are the changes that are cut short.
func crashOps() map[string]func(*Templates) error {
	secrets := template.Secrets{"spec.kernel.git.credential.password": "new secret"}
	next := func(id, name string, number int, cause template.Cause) template.Revision {
		rev := revisionOf(crashUID, id, name, number)
		rev.Cause = cause
		return rev
	}
	return map[string]func(*Templates) error{
		"update": func(t *Templates) error {
			rev := withSecrets(next(idTarget, "target", targetNumber+1, template.CauseUpdate))
			return t.Write(rev, textOf("target", targetNumber+1), secrets)
		},
		"create": func(t *Templates) error {
			rev := withSecrets(next("created", "created", 1, template.CauseCreate))
			rev.Owner = crashUID + 5
			return t.Write(rev, textOf("created", 1), secrets)
		},
		"delete": func(t *Templates) error {
			return t.Write(next(idTarget, "target", targetNumber+1, template.CauseDelete), nil, nil)
		},
		"restore": func(t *Templates) error {
			return t.Write(next(idDeleted, "deleted", 3, template.CauseRestore), textOf("deleted", 1), nil)
		},
		"purge": func(t *Templates) error { return t.Purge(crashUID, idTarget) },
		"prune": func(t *Templates) error { return t.Prune(crashUID, idTarget, 2) },
	}
}

// crashBaseline makes the state that every crash begins with, cleanly closed.
func crashBaseline(t *testing.T, state layout.State) {
	t.Helper()
	s := openStore(t, state)
	secrets := template.Secrets{"spec.kernel.git.credential.password": "secret"}
	for n := 1; n <= targetNumber; n++ {
		rev := withSecrets(revisionOf(crashUID, idTarget, "target", n))
		if err := s.Templates().Write(rev, textOf("target", n), secrets); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, crashUID, idBystander, "bystander", 1)
	write(t, s, crashUID+1, "other", "target", 1)
	write(t, s, crashUID, idDeleted, "deleted", 1)
	remove(t, s, crashUID, idDeleted)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// fastDir is a directory in memory, if there is such a filesystem: thousands of syncs are not to wait for a disk.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "store-test-") //nolint:usetesting // it is to lie in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// within fails a test that hangs.
func within(t *testing.T, limit time.Duration, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s hangs", what)
	}
}
