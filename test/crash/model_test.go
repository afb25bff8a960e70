package crash_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"agentd/internal/atomicfile"
	"agentd/internal/engine/enginetest"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/store"
)

// state is what a crash leaves.
type state struct {
	where    string
	files    map[string]string
	engine   *enginetest.Snapshot
	late     bool
	power    bool
	promises promises
}

// seeds is how often the dice are thrown for each point and each way to lose what was not synced; fewSeeds, where one crash
// that goes wrong is enough.
const seeds, fewSeeds = 20, 4

// sum tells states apart.
func (s state) sum() [32]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		fmt.Fprintf(h, "%q %q\n", name, s.files[name])
	}
	fmt.Fprintf(h, "%p %v %v %v", s.engine, s.late, s.power, s.promises)
	return [32]byte(h.Sum(nil))
}

// states are all that a crash at any point of the diary can leave, each once; combinations is how many they stand for.
func states(
	t *testing.T, d *diary, before *node, dir string, seeds uint64, skip func(atomicfile.Change) bool,
) (list []state, points, combinations int) {
	t.Helper()
	model := &disk{prefix: dir, root: before}
	told := promises{map[string]int{}, map[string]bool{}, map[string]bool{}, map[string]int{}}
	var now *enginetest.Snapshot
	seen := map[[32]byte]bool{}
	for i, h := range d.list {
		if h.change != nil && (skip == nil || !skip(*h.change)) {
			model.apply(t, *h.change)
		}
		if h.promise != nil {
			told = told.clone()
			h.promise(&told)
		}
		if h.engine != nil {
			now = h.engine
		}
		points++
		for _, l := range losses() {
			for seed := range seeds {
				combinations++
				files := map[string]string{}
				l.survives(model.root, "", rand.New(rand.NewPCG(seed, uint64(i))), files)
				s := state{
					where: fmt.Sprintf("after %d (%s), %s, seed %d", i, h.what, l.name, seed),
					files: files, engine: now, late: h.late && seed%2 == 1, power: l.power && seed%4 >= 2, promises: told,
				}
				if key := s.sum(); !seen[key] {
					seen[key] = true
					list = append(list, s)
				}
			}
		}
	}
	return list, points, combinations
}

// recover starts agentd on what is left, and returns all that is not as it must be.
func (s state) recover(t *testing.T, fake *enginetest.Fake, dir string) (violations []string) {
	t.Helper()
	bad := func(format string, args ...any) {
		violations = append(violations, s.where+": "+fmt.Sprintf(format, args...))
	}
	materialise(t, dir, s.files)
	fake.Become(*s.engine, s.power)
	if s.late {
		fake.Late()
	}
	l, err := begin(t, fake, dir, atomicfile.Disk{}, records{})
	if err != nil {
		bad("agentd does not start: %v", err)
		return violations
	}
	defer l.close(t)
	if _, err := l.Restore(t.Context()); err != nil {
		bad("it is not restored: %v", err)
	}
	loaded := l.List(admin(), true, true)
	for id, sequence := range s.promises.sequence {
		at := slices.IndexFunc(loaded, func(r session.Record) bool { return r.ID == id })
		switch {
		case at < 0 && !s.promises.removing[id]:
			bad("session %s is lost", id)
		case at >= 0 && s.promises.removed[id]:
			bad("session %s was removed and is back", id)
		case at >= 0 && loaded[at].Sequence < sequence:
			bad("record %d of session %s is lost: it is at %d", sequence, id, loaded[at].Sequence)
		}
	}
	found := l.settle(fake)
	// Twice: what belongs to no record is noticed first, and removed when it is noticed again.
	l.Reconcile(t.Context())
	l.Reconcile(t.Context())
	s.sessions(found, fake, bad)
	s.left(found, fake, l.store, dir, bad)
	return violations
}

// sessions looks at what became of each.
func (s state) sessions(found map[string]session.Record, fake *enginetest.Fake, bad func(string, ...any)) {
	containers := fake.States()
	for id, rec := range found {
		starts := fake.Starts("io.agentd.session", id)
		if starts > 1 {
			bad("session %s ran %d times", rec.Plan.Name, starts)
		}
		if rec.Result == session.Success {
			bad("session %s is said to have succeeded", rec.Plan.Name)
		}
		for i, h := range rec.History {
			if h.Sequence != i+1 || i > 0 && !rec.History[i-1].Status.May(h.Status) {
				bad("the history of session %s is %v", rec.Plan.Name, rec.History)
			}
		}
		at := containers[layout.ContainerName(id)]
		switch code, ended := s.promises.exits[id]; {
		case ended && (rec.Status != session.Terminated || rec.ExitCode == nil || *rec.ExitCode != code):
			bad("session %s ended with %d and is %s with %v", rec.Plan.Name, code, rec.Status, rec.ExitCode)
		case rec.Status == session.Running && (at != "running" || starts != 1):
			bad("session %s is said to run; its container is %q, started %d times: %v", rec.Plan.Name, at, starts, rec.History)
		case rec.Status.Final() && at != "":
			bad("session %s is %s, and its container is still there", rec.Plan.Name, rec.Status)
		case rec.Status == session.Error && rec.Plan.Name != "refused":
			bad("session %s failed: %+v", rec.Plan.Name, rec.Failure)
		case rec.Status != session.Running && !rec.Status.Final():
			bad("session %s is still %s", rec.Plan.Name, rec.Status)
		}
	}
}

// left looks for what belongs to nobody.
func (s state) left(found map[string]session.Record, fake *enginetest.Fake, st *store.Store, dir string, bad func(string, ...any)) {
	for name, is := range fake.States() {
		if id, _ := layout.ParseContainer(name); name != layout.ContainerName("sdecoy") && found[id].ID == "" {
			bad("container %s is left, %s", name, is)
		}
	}
	want := "running"
	if s.power {
		want = "exited"
	}
	if fake.States()[layout.ContainerName("sdecoy")] != want {
		bad("somebody else's container was touched")
	}
	if d := st.Damaged(); len(d) > 0 {
		bad("damaged: %+v", d)
	}
	user := layout.State(dir).User(admin().UID)
	entries, _ := os.ReadDir(user.Sessions()) // none is none
	for _, e := range entries {
		if found[e.Name()].ID == "" {
			bad("a directory is left: %s", e.Name())
		}
		files, err := os.ReadDir(filepath.Join(user.Sessions(), e.Name()))
		if err != nil {
			bad("%v", err)
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name(), ".") {
				bad("a temporary file is left: %s", f.Name())
			}
		}
	}
}

// recoverAll recovers each state, with two engines side by side, until enough is found.
func recoverAll(t *testing.T, list []state, enough func(violation string) bool) []string {
	t.Helper()
	const workers = 2
	found := make(chan []string, workers)
	for w := range workers {
		fake, dir := enginetest.Start(t), filepath.Join(quick(t), "state")
		go func() {
			var all []string
			for i := w; i < len(list) && !slices.ContainsFunc(all, enough); i += workers {
				all = append(all, list[i].recover(t, fake, dir)...)
			}
			found <- all
		}()
	}
	var all []string
	for range workers {
		all = append(all, <-found...)
	}
	return all
}

// TestModel_EveryPoint is a crash at every change of the disk and at every call of the engine, with every way to lose what
// was not synced: the records on the modelled disk, the engine a fake, all that decides the real one.
func TestModel_EveryPoint(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	d, before, dir := record(t, nil)
	list, points, combinations := states(t, d, before, dir, seeds, nil)
	violations := recoverAll(t, list, func(string) bool { return false })
	for _, v := range violations[:min(len(violations), 20)] {
		t.Error(v)
	}
	t.Logf("%d points × 3 losses × %d seeds = %d crashes, %d different ones, in %s: %d violations",
		points, seeds, combinations, len(list), time.Since(begin).Round(time.Second), len(violations))
	kinds := map[atomicfile.Op]int{}
	for _, h := range d.list {
		if h.change != nil {
			kinds[h.change.Op]++
		}
	}
	for _, op := range []atomicfile.Op{
		atomicfile.Create, atomicfile.Append, atomicfile.Sync, atomicfile.Rename, atomicfile.Mkdir, atomicfile.RemoveTree,
	} {
		if kinds[op] == 0 {
			t.Errorf("no %s was seen: %v", op, maps.All(kinds))
		}
	}
}

// A store that syncs less, or a launch that acts before it says so, is found out.
func TestModel_FindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	isRecord := func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".record") }
	for name, c := range map[string]struct {
		skip   func(atomicfile.Change) bool
		forget func(session.Record) bool
		want   string
	}{
		"a record is not synced": {
			skip: func(c atomicfile.Change) bool { return c.Op == atomicfile.Sync && isRecord(c.Path) }, want: "damaged",
		},
		"its directory is not synced": {
			skip: func(c atomicfile.Change) bool {
				return c.Op == atomicfile.Sync && filepath.Base(filepath.Dir(c.Path)) == "sessions"
			}, want: "is lost",
		},
		"the intent to start comes after the start": {
			forget: func(r session.Record) bool { return r.Intent == "start the container" }, want: "ran 2 times",
		},
		"an end is on record only once all is cleaned up": {
			forget: func(r session.Record) bool { return r.Status.Final() && !r.Cleaned }, want: "ended with 3 and is",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, before, dir := record(t, c.forget)
			list, _, _ := states(t, d, before, dir, fewSeeds, c.skip)
			found := func(v string) bool { return strings.Contains(v, c.want) }
			violations := recoverAll(t, list, found)
			at := slices.IndexFunc(violations, found)
			if at < 0 {
				t.Fatalf("none of %d violations in %d crashes says that something %s", len(violations), len(list), c.want)
			}
			t.Log(violations[at])
		})
	}
}
