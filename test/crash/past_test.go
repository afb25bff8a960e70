package crash_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
	"agentd/internal/store"
	"agentd/internal/testenv/scratch"
)

// After a restart of the machine nothing of the sessions runs, and nobody saw how they ended: that is what is said.
func TestReboot_IsSaid(t *testing.T) {
	t.Parallel()
	e := ownEngine(t)
	w := newWorld(t, e.Host())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := stays()
	o.Mounts = map[string]*string{w.files: new("/mnt/files:ro")}
	before := sumOf(w, w.files)
	stayed := w.enqueue("stays", o)
	w.until(stayed, 30*time.Second, "RUNNING", runs)
	done := w.enqueue("done", plan.Overrides{Startup: script("0", 4)})
	w.until(done, 30*time.Second, "an end", ended)
	w.kill()
	must(t, e.EndDaemon(false))
	must(t, e.LoseContainers(ctx))
	mounts, err := scratch.Mounts(w.dir)
	must(t, err)
	for i := range mounts {
		must(t, syscall.Unmount(mounts[len(mounts)-1-i], syscall.MNT_DETACH))
	}
	must(t, os.RemoveAll(filepath.Join(w.dir, "run")))
	// The one thing that cannot be had here: the kernel's name of this boot.
	anotherBoot(t, filepath.Join(w.dir, "state"))
	w.start()
	must(t, e.StartDaemon(ctx))
	s := w.until(stayed, 30*time.Second, "an end", ended)
	if reason(s) != session.ReasonHostRestart || s.Result != session.Undefined || s.ExitCode != nil {
		t.Errorf("it is said to have ended of %s, %s, %v; want host-restart", reason(s), s.Result, exitOf(s))
	}
	if s := w.until(done, time.Second, "an end", ended); s.ExitCode == nil || *s.ExitCode != 4 {
		t.Errorf("the one that ended before: %v", exitOf(s))
	}
	again := w.enqueue("again", plan.Overrides{Startup: script("0", 5)})
	if s := w.until(again, 30*time.Second, "an end", ended); s.ExitCode == nil || *s.ExitCode != 5 {
		t.Errorf("a launch after it: %v %+v", exitOf(s), s.Failure)
	}
	if sumOf(w, w.files) != before {
		t.Error("the user's files have changed")
	}
}

// anotherBoot makes all records those of another boot of the machine.
func anotherBoot(t *testing.T, state string) {
	t.Helper()
	st, err := store.Open(layout.State(state), slog.New(slog.DiscardHandler))
	must(t, err)
	list, err := st.Sessions().Load()
	must(t, err)
	for _, rec := range list {
		rec.Staged.BootID = "another"
		must(t, st.Sessions().Save(rec))
	}
	must(t, st.Close())
}

// The state directory comes back from a backup: what runs and is on record goes on, what the backup does not know is
// taken away after the grace; and if it knows next to nothing, then nothing is taken away and everybody is told.
func TestBackup_IsRestored(t *testing.T) {
	t.Parallel()
	e := ownEngine(t)
	w := newWorld(t, e.Host())
	var old []string
	for _, name := range []string{"old-1", "old-2", "old-3"} {
		old = append(old, w.enqueue(name, stays()))
		w.until(old[len(old)-1], 30*time.Second, "RUNNING", runs)
	}
	w.backup("first")
	_, err := w.client.Terminate(t.Context(), old[2], true)
	must(t, err)
	w.until(old[2], 30*time.Second, "an end", ended)
	newer := w.enqueue("newer", stays())
	w.until(newer, 30*time.Second, "RUNNING", runs)
	containers := w.docker("ps", "-q", "--no-trunc", "--filter", "name=agentd-"+old[0])
	w.restore("first")
	w.until(old[0], time.Second, "RUNNING", runs)
	w.until(old[1], time.Second, "RUNNING", runs)
	if s := w.until(old[2], 30*time.Second, "an end", ended); reason(s) != session.ReasonLost {
		t.Errorf("the one that ended after the backup is said to have ended of %s", reason(s))
	}
	if now := w.docker("ps", "-q", "--no-trunc", "--filter", "name=agentd-"+old[0]); now != containers {
		t.Error("the container of a session that is on record was touched")
	}
	w.gone(newer)

	// A backup from before the first session.
	must(t, os.RemoveAll(filepath.Join(w.dir, "state", "users", "0", "sessions")))
	third := w.enqueue("third", stays())
	w.until(third, 30*time.Second, "RUNNING", runs)
	must(t, os.RemoveAll(filepath.Join(w.dir, "state", "users", "0", "sessions")))
	w.kill()
	w.start()
	deadline := time.Now().Add(20 * time.Second)
	for {
		health, err := w.client.Health(t.Context())
		must(t, err)
		if strings.Contains(health.Engine.Detail, "nothing is removed") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the health does not tell: %+v", health)
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(4 * time.Second)
	if left := strings.Fields(w.docker("ps", "-aq", "--filter", "label=io.agentd.instance="+w.instance)); len(left) != 3 {
		t.Errorf("%d containers are left, want 3", len(left))
	}
}

// backup copies the state directory as it is, and restore brings it back beneath a killed agentd.
func (w *world) backup(name string) {
	w.t.Helper()
	w.copyTree(filepath.Join(w.dir, "state"), filepath.Join(w.dir, name))
}

func (w *world) restore(name string) {
	w.t.Helper()
	w.kill()
	records := filepath.Join(w.dir, "state", "users", "0", "sessions")
	for _, s := range w.sessionsOn(records) {
		// What is bound into a container stays where it is: only the records are old.
		must(w.t, os.Remove(filepath.Join(records, s, "record.json")))
	}
	w.copyTree(filepath.Join(w.dir, name, "users", "0", "sessions"), records)
	for _, s := range w.sessionsOn(records) {
		if _, err := os.Stat(filepath.Join(records, s, "record.json")); os.IsNotExist(err) {
			must(w.t, os.RemoveAll(filepath.Join(records, s)))
		}
	}
	w.start()
}

func (w *world) sessionsOn(dir string) (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(dir)
	must(w.t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// copyTree copies what is in from into to, sockets left out.
func (w *world) copyTree(from, to string) {
	w.t.Helper()
	must(w.t, os.MkdirAll(to, 0o700))
	out, err := exec.Command("sh", "-c", `cd "$1" && tar --exclude=*.sock -cf - . | tar -C "$2" -xf -`, "-", from, to).CombinedOutput()
	if err != nil {
		w.t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

// gone waits until there is no container of the session.
func (w *world) gone(id string) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left := w.docker("ps", "-aq", "--filter", "name=agentd-"+id)
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the container of %s is still there", id)
		}
	}
}
