package crash_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"agentd/agentd/daemon/adapt"
	"agentd/internal/atomicfile"
	"agentd/internal/engine"
	"agentd/internal/engine/enginetest"
	"agentd/internal/identity"
	"agentd/internal/job"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
	"agentd/internal/store"
	"agentd/internal/supervisor"
	"agentd/internal/witness"
)

// modelImage is what the sessions of the model run.
const modelImage = "model:1"

// happened is one line of the diary of a run: a change of the disk, what the engine has from now on, or a promise.
type happened struct {
	change *atomicfile.Change
	engine *enginetest.Snapshot
	what   string
	// late is true if the engine was asked and has not yet done it.
	late bool
	// promise is what must be true after any crash from now on.
	promise func(*promises)
}

// promises are what was told to others.
type promises struct {
	// sequence is that of the newest record that is durable, by session; removed are those that were forgotten, removing those
	// that may be.
	sequence          map[string]int
	removed, removing map[string]bool
	// exits are the codes with which jobs have ended.
	exits map[string]int
}

func (p promises) clone() promises {
	return promises{maps.Clone(p.sequence), maps.Clone(p.removed), maps.Clone(p.removing), maps.Clone(p.exits)}
}

// diary is what happened, in order.
type diary struct {
	mu   sync.Mutex
	list []happened
}

func (d *diary) note(h happened) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, h)
}

// records are those of the store, with the promises that they make. forget makes them worse than they are: a record for
// which it is true is not written, and comes with the next one.
type records struct {
	*store.Sessions
	diary  *diary
	forget func(session.Record) bool
}

func (r records) Save(rec session.Record) error {
	if r.forget != nil && r.forget(rec) {
		return nil
	}
	err := r.Sessions.Save(rec)
	if err == nil && r.diary != nil {
		r.diary.note(happened{what: "saved " + string(rec.Status), promise: func(p *promises) { p.sequence[rec.ID] = rec.Sequence }})
	}
	return err
}

func (r records) Remove(owner uint32, id string) error {
	if r.diary != nil {
		r.diary.note(happened{what: "removing", promise: func(p *promises) { p.removing[id] = true }})
	}
	err := r.Sessions.Remove(owner, id)
	if err == nil && r.diary != nil {
		r.diary.note(happened{what: "removed", promise: func(p *promises) { p.removed[id] = true }})
	}
	return err
}

// ground is the machine without engine and records: what is not modelled is there or is not needed.
type ground struct {
	state layout.State
	e     *engine.Engine
	*witness.Witness
}

func (g ground) Resolve(_ context.Context, c identity.Caller, req supervisor.Request) (plan.Resolved, launch.Secrets, error) {
	p := plan.Plan{
		Network: engine.NetworkNone, Name: req.Overrides.Name, Type: req.Overrides.Type, Image: plan.Image{Reference: modelImage},
		User:   plan.User{UID: c.UID, GID: c.GID},
		Limits: plan.Limits{NanoCPUs: 1e8, MemoryBytes: 1 << 24, Pids: 10},
		Steps:  plan.Steps{Startup: "x", StopGrace: time.Second},
	}
	return plan.Resolved{Plan: p, OwnerName: "model"}, launch.Secrets{}, nil
}

func (g ground) Ensure(
	ctx context.Context, _ uint32, image plan.Image, _ launch.Secrets, _ func(launch.Progress),
) (launch.Image, error) {
	i, err := g.e.Image(ctx, image.Reference)
	return launch.Image{ID: i.ID}, err
}

func (g ground) Clone(
	context.Context, uint32, plan.User, string, plan.Checkout, string, string, launch.Secrets, func(launch.Progress),
) (launch.Clone, error) {
	return launch.Clone{}, errors.New("nothing is cloned here")
}

func (g ground) Make(_ context.Context, rec session.Record) error {
	user := g.state.User(rec.Owner)
	dir := user.Session(rec.ID)
	return errors.Join(os.MkdirAll(dir.Run(), 0o700), os.MkdirAll(dir.Etc(), 0o700), os.MkdirAll(user.Scratch(rec.ID), 0o700),
		os.WriteFile(dir.Passwd(), nil, 0o600), os.WriteFile(dir.Group(), nil, 0o600))
}
func (g ground) Etc(context.Context, session.Record, []byte, []byte) error   { return nil }
func (g ground) Hand(context.Context, session.Record, string, []byte) error  { return nil }
func (g ground) Clear(context.Context, session.Record) error                 { return nil }
func (g ground) Bind(context.Context, session.Record) ([]launch.Bind, error) { return nil, nil }
func (g ground) Release(context.Context, session.Record) error               { return nil }
func (g ground) Parent(context.Context) (string, error)                      { return "", nil }
func (g ground) Verify(context.Context, string, int, plan.Limits) (session.Applied, error) {
	return session.Applied{}, nil
}

// Steps says that the startup runs: a batch session is RUNNING then.
func (g ground) Steps(ctx context.Context, _ session.Record, tell func(supervisor.StepResult)) error {
	tell(supervisor.StepResult{Step: job.Startup})
	<-ctx.Done()
	return nil
}

// life is one life of agentd, from its start to its end: all that decides is the real one.
type life struct {
	*supervisor.Supervisor
	store *store.Store
}

func begin(t *testing.T, fake *enginetest.Fake, dir string, d atomicfile.Disk, r records) (life, error) {
	t.Helper()
	state := layout.State(dir)
	quiet := slog.New(slog.DiscardHandler)
	st, err := store.OpenOn(d, state, quiet)
	if err != nil {
		return life{}, err
	}
	e, err := engine.Connect(fake.Host())
	must(t, err)
	host := &adapt.Host{Engine: e, Instance: st.InstanceID(), State: state, Nonce: st.Nonce}
	place := func(rec session.Record) layout.Session { return state.User(rec.Owner).Session(rec.ID) }
	g := ground{state, e, witness.New(&adapt.Endings{Host: host}, place)}
	containers := &adapt.Containers{Host: host, Images: &adapt.Images{Host: host}}
	r.Sessions = st.Sessions()
	directories := adapt.StrayDirectories{Sessions: st.Sessions()}
	s := supervisor.New(supervisor.Options{
		Records: r, Resolver: g, Watcher: g, Engine: containers, Nonce: st.Nonce, BootID: adapt.BootID(),
		Ports: launch.Ports{Images: g, Clones: g, Scratches: g, Binds: g, Containers: containers, Limits: g},
		Files: st.Sessions(), KeepRecords: time.Hour, Grace: time.Nanosecond, InitPath: os.Args[0], Log: quiet,
		Inventories: []supervisor.Inventory{
			&adapt.StrayContainers{Host: host, Damaged: directories.Damaged}, directories,
		},
		Capacity: func(context.Context) (map[string]int64, error) {
			return map[string]int64{"cpu": 1e12, "mem": 1 << 50}, nil
		},
		Places: func(owner uint32, id string) launch.Directories {
			user := state.User(owner)
			return launch.Directories{Session: user.Session(id), Scratch: user.Scratch(id), Checkout: user.Checkout(id)}
		},
	})
	return life{s, st}, nil
}

func (l life) close(t *testing.T) {
	t.Helper()
	l.Close()
	must(t, l.store.Close())
}

// quick is a directory in memory, if there is such a filesystem.
func quick(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "crash-model-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// admin sees all.
func admin() identity.Caller { return identity.Caller{UID: 1000, GID: 1000, Admin: true} }

// settle waits until nothing is on its way any more: what is said to run does, and what has ended is cleaned up.
func (l life) settle(fake *enginetest.Fake) map[string]session.Record {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		found, busy, containers := map[string]session.Record{}, false, fake.States()
		for _, rec := range l.List(admin(), true, true) {
			found[rec.ID] = rec
			runs := rec.Status == session.Running && rec.Stop == nil && containers[layout.ContainerName(rec.ID)] == "running"
			busy = busy || !runs && (!rec.Status.Final() || !rec.Cleaned)
		}
		if !busy || time.Now().After(deadline) {
			return found
		}
	}
}

// record plays a day: a job that ends, sessions that stay, one that is ended by force and forgotten, one that cannot be
// made; and returns the diary, with the disk as it was before.
func record(t *testing.T, forget func(session.Record) bool) (*diary, *node, string) {
	t.Helper()
	dir := filepath.Join(quick(t), "state")
	fake := enginetest.Start(t)
	fake.Have(modelImage, enginetest.Image{Architecture: "amd64"})
	first, err := begin(t, fake, dir, atomicfile.Disk{}, records{})
	must(t, err)
	fake.Foreign(t, layout.ContainerName("sdecoy"), map[string]string{
		"io.agentd.instance": first.store.InstanceID(), "io.agentd.session": "sdecoy", "io.agentd.nonce": "00",
	})
	first.close(t)
	before := load(t, dir)
	d := &diary{}
	snap := fake.Snapshot()
	d.note(happened{what: "the beginning", engine: &snap})
	l, err := begin(t, fake, dir, atomicfile.Disk{Tell: func(c atomicfile.Change) {
		d.note(happened{what: string(c.Op) + " " + filepath.Base(c.Path), change: &c})
	}}, records{diary: d, forget: forget})
	must(t, err)
	fake.Observe(func(op enginetest.Op, after bool, s enginetest.Snapshot) {
		d.note(happened{what: string(op), engine: &s, late: !after && op == enginetest.ContainerStart})
	})
	launch := func(name, kind string) session.Record {
		got, err := l.Launch(t.Context(), admin(), supervisor.Request{Overrides: plan.Overrides{Name: name, Type: kind}})
		must(t, err)
		return l.settle(fake)[got.Record.ID]
	}
	job := launch("job", session.Batch)
	d.mu.Lock()
	fake.End(layout.ContainerName(job.ID), 3, false)
	snap = fake.Snapshot()
	d.list = append(d.list, happened{what: "the job ends", engine: &snap, promise: func(p *promises) { p.exits[job.ID] = 3 }})
	d.mu.Unlock()
	for l.settle(fake)[job.ID].Status != session.Terminated {
		time.Sleep(time.Millisecond)
	}
	launch("stays", session.Interactive)
	forced := launch("forced", session.Interactive)
	_, err = l.Terminate(admin(), forced.ID, true)
	must(t, err)
	for !l.settle(fake)[forced.ID].Status.Final() {
		time.Sleep(time.Millisecond)
	}
	_, err = l.Remove(t.Context(), admin(), forced.ID)
	must(t, err)
	fake.Next(enginetest.ContainerCreate, enginetest.Fail(500, "no"))
	if rec := launch("refused", session.Batch); rec.Status != session.Error {
		t.Fatalf("the one that cannot be made is %s", rec.Status)
	}
	fake.Observe(nil)
	l.close(t)
	return d, before, dir
}
