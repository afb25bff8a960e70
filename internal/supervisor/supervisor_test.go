package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/job"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// machine is a host on which containers run as the test says. It outlives supervisors, as a real one does.
type machine struct {
	mu      sync.Mutex
	records map[string]session.Record
	// running are the containers by name; an exit is sent to its channel.
	running map[string]*container
	// hold keeps the image step until it is closed; nil means that it is quick.
	hold chan struct{}
	// fail is what the named call fails with.
	fail map[string]error
	// filesRemoved are the sessions whose files were removed; keep is how long a plan keeps them.
	filesRemoved []string
	keep         time.Duration
	inventories  []Inventory
}

type container struct {
	nonce   string
	started bool
	steps   chan StepResult
	exit    chan Exit
	done    []StepResult
}

func newMachine() *machine {
	return &machine{records: map[string]session.Record{}, running: map[string]*container{}, fail: map[string]error{}}
}

func (m *machine) call(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail[name]
}

func (m *machine) Save(rec session.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["save"]; err != nil {
		return err
	}
	m.records[rec.ID] = rec
	return nil
}

func (m *machine) Load() ([]session.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []session.Record
	for _, r := range m.records {
		list = append(list, r)
	}
	return list, nil
}

func (m *machine) Remove(_ uint32, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, id)
	return nil
}

func (m *machine) Resolve(
	_ context.Context, caller identity.Caller, req Request,
) (plan.Resolved, launch.Secrets, error) {
	p := plan.Plan{
		Name: req.Overrides.Name, Type: session.Interactive, Limits: plan.Limits{NanoCPUs: 1e9},
		Steps: plan.Steps{Startup: "x", StopGrace: 10 * time.Second}, Keep: m.keep,
	}
	if p.Name == "" {
		p.Name = "made-up"
	}
	if req.Overrides.Type != "" {
		p.Type = req.Overrides.Type
	}
	p.Retry = req.Overrides.Retry
	if req.Overrides.Timeout != nil {
		p.Steps.Timeout = time.Hour
	}
	if req.Overrides.Bootstrap != nil {
		p.Steps.Bootstrap = *req.Overrides.Bootstrap
	}
	return plan.Resolved{Plan: p, OwnerName: fmt.Sprint(caller.UID)}, launch.Secrets{}, nil
}

func (m *machine) Ensure(
	ctx context.Context, _ uint32, _ plan.Image, _ launch.Secrets, _ func(launch.Progress),
) (launch.Image, error) {
	if m.hold != nil {
		select {
		case <-m.hold:
		case <-ctx.Done():
			return launch.Image{}, context.Cause(ctx)
		}
	}
	return launch.Image{ID: "i"}, m.call("ensure")
}

func (m *machine) Clone(
	context.Context, uint32, plan.User, string, plan.Checkout, string, string, launch.Secrets, func(launch.Progress),
) (launch.Clone, error) {
	return launch.Clone{}, nil
}

func (m *machine) Make(context.Context, session.Record) error                 { return nil }
func (m *machine) Etc(context.Context, session.Record, []byte, []byte) error  { return nil }
func (m *machine) Hand(context.Context, session.Record, string, []byte) error { return nil }
func (m *machine) Clear(context.Context, session.Record) error                { return m.call("clear") }
func (m *machine) Bind(_ context.Context, rec session.Record) ([]launch.Bind, error) {
	return make([]launch.Bind, len(rec.Plan.Mounts)), nil
}
func (m *machine) Release(context.Context, session.Record) error { return nil }
func (m *machine) Parent(context.Context) (string, error)        { return "", nil }
func (m *machine) Verify(context.Context, string, int, plan.Limits) (session.Applied, error) {
	return session.Applied{}, nil
}

func (m *machine) Create(_ context.Context, c launch.Container) (string, error) {
	if err := m.call("create"); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if there := m.running[c.Name]; there != nil {
		if there.nonce != c.Nonce {
			return "", errs.New(errs.Conflict, "taken")
		}
		return c.Name, nil
	}
	m.running[c.Name] = &container{nonce: c.Nonce, steps: make(chan StepResult, 8), exit: make(chan Exit, 1)}
	return c.Name, nil
}

func (m *machine) Start(_ context.Context, id string) (int, error) {
	if err := m.call("start"); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running[id] == nil {
		return 0, errs.New(errs.NotFound, "no container")
	}
	m.running[id].started = true
	return 1, m.fail["after start"]
}

func (m *machine) Look(_ context.Context, rec session.Record) (Sight, error) {
	if err := m.call("look"); err != nil {
		return Sight{}, err
	}
	c := m.container(rec.ID)
	if c == nil || c.nonce != rec.Nonce {
		return Sight{}, errs.New(errs.NotFound, "no container")
	}
	return Sight{ID: layout.ContainerName(rec.ID), Begun: c.started, PID: 1}, nil
}

func (m *machine) Ping(context.Context) error { return m.call("ping") }

func (m *machine) SilentSince(time.Time) bool { return m.call("ping") != nil }

func (m *machine) RemoveFiles(_ uint32, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.filesRemoved = append(m.filesRemoved, id)
	return m.fail["files"]
}

// stored is what is on the disk.
func (m *machine) stored() map[string]session.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.records)
}

// put brings a record to the disk, as a crash has left it.
func (m *machine) put(rec session.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[rec.ID] = rec
}

// set makes the named call fail, or work again.
func (m *machine) set(name string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[name] = err
}

// ports is the machine where a name is taken twice.
type removing struct{ *machine }

func (r removing) Remove(_ context.Context, name, nonce string) error {
	if err := r.call("remove"); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.running[name]; c != nil && c.nonce == nonce {
		delete(r.running, name)
	}
	return nil
}

func (m *machine) container(id string) *container {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[layout.ContainerName(id)]
}

func (m *machine) Steps(ctx context.Context, rec session.Record, tell func(StepResult)) error {
	c := m.container(rec.ID)
	for c != nil {
		select {
		case r := <-c.steps:
			tell(r)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (m *machine) Wait(ctx context.Context, rec session.Record) (Exit, error) {
	c := m.container(rec.ID)
	if c == nil {
		return Exit{Lost: true}, nil
	}
	select {
	case e := <-c.exit:
		// It stays ended, for whoever asks again.
		c.exit <- e
		return e, nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

func (m *machine) Signal(_ context.Context, rec session.Record, force bool) error {
	if err := m.call("signal"); err != nil && !force {
		return err
	}
	if m.call("deaf") != nil && !force {
		return nil
	}
	m.end(rec.ID, 143)
	return nil
}

// end lets a container end with a code.
func (m *machine) end(id string, code int) {
	c := m.container(id)
	select {
	case c.exit <- Exit{Code: &code, Steps: c.done}:
	default:
	}
}

func (m *machine) supervisor() *Supervisor {
	return New(Options{
		Records: m, Resolver: m, Watcher: m, Engine: m, Files: m, BootID: "boot",
		KeepRecords: 72 * time.Hour, Grace: time.Minute, Inventories: m.inventories,
		Capacity: func(context.Context) (map[string]int64, error) { return map[string]int64{"cpu": 2e9}, nil },
		Ports:    launch.Ports{Images: m, Clones: m, Scratches: m, Binds: m, Containers: removing{m}, Limits: m},
		Places:   func(uint32, string) launch.Directories { return launch.Directories{Session: layout.Session("/s")} },
	})
}

func alice() identity.Caller { return identity.Caller{UID: 1001} }

func launchNamed(t *testing.T, s *Supervisor, o plan.Overrides) session.Record {
	t.Helper()
	got, err := s.Launch(t.Context(), alice(), Request{Template: "t", Overrides: o})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return got.Record
}

func wantStatus(t *testing.T, s *Supervisor, id string, status session.Status, result session.Result, reason string) {
	t.Helper()
	synctest.Wait()
	rec, _, err := s.Find(alice(), id)
	if err != nil {
		t.Fatal(err)
	}
	last := rec.History[len(rec.History)-1]
	if rec.Status != status || rec.Result != result || last.Reason != reason {
		t.Errorf("session is %s, %s, because of %q (%s); want %s, %s, %q",
			rec.Status, rec.Result, last.Reason, last.Message, status, result, reason)
	}
}

func path(rec session.Record) string {
	var list []string
	for _, h := range rec.History {
		list = append(list, string(h.Status))
	}
	return strings.Join(list, " ")
}

func TestBatch_ExitCodeDecides(t *testing.T) {
	t.Parallel()
	for code, result := range map[int]session.Result{0: session.Success, 3: session.Failure} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine()
			s := m.supervisor()
			defer s.Close()
			rec := launchNamed(t, s, plan.Overrides{Type: session.Batch})
			c := m.container(rec.ID)
			c.steps <- StepResult{Step: job.Startup}
			wantStatus(t, s, rec.ID, session.Running, session.Undefined, "")
			m.end(rec.ID, code)
			wantStatus(t, s, rec.ID, session.Terminated, result, session.ReasonExit)
			rec, _, _ = s.Find(alice(), rec.ID) //nolint:errcheck // found just before
			if rec.ExitCode == nil || *rec.ExitCode != code || !rec.Cleaned {
				t.Errorf("exit code %v, cleaned %v", rec.ExitCode, rec.Cleaned)
			}
			if got, want := path(rec), "PENDING PREPARING PREPARED CREATING RUNNING TERMINATING TERMINATED"; got != want {
				t.Errorf("history is %s, want %s", got, want)
			}
		})
	}
}

// A job so short that its result is there before anybody was told that it began.
func TestBatch_EndsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		m.hold = make(chan struct{})
		rec := launchNamed(t, s, plan.Overrides{Type: session.Batch})
		close(m.hold)
		synctest.Wait()
		c := m.container(rec.ID)
		c.done = []StepResult{{Step: job.Startup}, {Step: job.Startup, Ended: true}}
		m.end(rec.ID, 0)
		wantStatus(t, s, rec.ID, session.Terminated, session.Success, session.ReasonExit)
		rec, _, _ = s.Find(alice(), rec.ID) //nolint:errcheck // found just before
		if !strings.Contains(path(rec), "RUNNING") {
			t.Errorf("history is %s: it ran, and that is not in it", path(rec))
		}
	})
}

func TestBootstrap_FailsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{Bootstrap: new("exit 9")})
		wantStatus(t, s, rec.ID, session.Creating, session.Undefined, "")
		c := m.container(rec.ID)
		c.done = []StepResult{{Step: job.Bootstrap, Ended: true, ExitCode: 9, Tail: "no such thing"}}
		m.end(rec.ID, 9)
		wantStatus(t, s, rec.ID, session.Error, session.Failure, session.ReasonStep)
		rec, _, _ = s.Find(alice(), rec.ID) //nolint:errcheck // found just before
		if rec.Failure == nil || rec.Failure.Tail != "no such thing" || rec.Failure.Step != job.Bootstrap {
			t.Errorf("failure is %+v", rec.Failure)
		}
		if m.container(rec.ID) != nil {
			t.Error("its container is still there")
		}
	})
}

func TestTerminate_AtEveryStage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		m.hold = make(chan struct{})
		early := launchNamed(t, s, plan.Overrides{})
		for range 2 {
			if _, err := s.Terminate(alice(), early.ID, false); err != nil {
				t.Fatal(err)
			}
		}
		wantStatus(t, s, early.ID, session.Cancelled, session.Undefined, session.ReasonUser)
		close(m.hold)
		running := launchNamed(t, s, plan.Overrides{})
		wantStatus(t, s, running.ID, session.Running, session.Undefined, "")
		if _, err := s.Terminate(alice(), running.ID, false); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, s, running.ID, session.Terminated, session.Undefined, session.ReasonUser)
		if _, err := s.Terminate(alice(), running.ID, true); err != nil {
			t.Errorf("terminate of an ended one: %v", err)
		}
	})
}

// A container that does not listen is killed when its grace is over.
func TestTerminate_ForcedAfterTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.fail["deaf"] = errs.New(errs.Internal, "deaf")
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{})
		begin := time.Now()
		if _, err := s.Terminate(alice(), rec.ID, false); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, s, rec.ID, session.Terminating, session.Undefined, session.ReasonUser)
		<-s.index.byID[rec.ID].done
		if took, want := time.Since(begin), 10*time.Second+forceAfter; took != want {
			t.Errorf("it was killed after %s, want %s", took, want)
		}
	})
}

func TestRestore_FindsEverySession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		running := launchNamed(t, s, plan.Overrides{})
		ended := launchNamed(t, s, plan.Overrides{})
		waiting := launchNamed(t, s, plan.Overrides{})
		_, why, err := s.Find(alice(), waiting.ID)
		if err != nil || why != "needs 1 cpu, 0 free" {
			t.Errorf("the third waits because %q (%v)", why, err)
		}
		s.Close()
		m.end(ended.ID, 7)
		second := m.supervisor()
		defer second.Close()
		if n, err := second.Restore(t.Context()); err != nil || n != 3 {
			t.Fatalf("restored %d living ones (%v), want 3", n, err)
		}
		wantStatus(t, second, running.ID, session.Running, session.Undefined, "")
		wantStatus(t, second, ended.ID, session.Terminated, session.Failure, session.ReasonExit)
		wantStatus(t, second, waiting.ID, session.Running, session.Undefined, "")
		m.end(running.ID, 0)
		wantStatus(t, second, running.ID, session.Terminated, session.Success, session.ReasonExit)
		m.end(waiting.ID, 0)
		synctest.Wait()
		for _, rec := range second.List(alice(), false, true) {
			if !rec.Cleaned {
				t.Errorf("%s is %s and not cleaned", rec.ID, rec.Status)
			}
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		m.hold = make(chan struct{})
		first := launchNamed(t, s, plan.Overrides{Name: "mine"})
		again, err := s.Launch(t.Context(), alice(), Request{Overrides: plan.Overrides{Name: "mine"}})
		if err != nil || again.Created || again.Record.ID != first.ID {
			t.Errorf("the same name and plan: %v, created %v, %s; want %s back", err, again.Created, again.Record.ID, first.ID)
		}
		_, err = s.Launch(t.Context(), alice(), Request{Overrides: plan.Overrides{Name: "mine", Type: session.Batch}})
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "differs in type") {
			t.Errorf("the same name and another plan: %v", err)
		}
		_, err = s.Launch(t.Context(), alice(), Request{Overrides: plan.Overrides{Name: "mine"}, NoReuse: true})
		if !errs.Is(err, errs.Conflict) {
			t.Errorf("--no-reuse: %v, want a conflict", err)
		}
		var names []string
		for range 3 {
			names = append(names, launchNamed(t, s, plan.Overrides{}).Plan.Name)
		}
		if want := []string{"made-up", "made-up-2", "made-up-3"}; !slices.Equal(names, want) {
			t.Errorf("generated names are %v, want %v", names, want)
		}
		k1, err1 := s.Launch(t.Context(), alice(), Request{Key: "k"})
		k2, err2 := s.Launch(t.Context(), alice(), Request{Key: "k"})
		if err1 != nil || err2 != nil || k1.Record.ID != k2.Record.ID || k2.Created {
			t.Errorf("one key twice: %v %v, %s and %s", err1, err2, k1.Record.ID, k2.Record.ID)
		}
		close(m.hold)
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		rec := launchNamed(t, s, plan.Overrides{})
		if _, err := s.Remove(t.Context(), alice(), rec.ID); !errs.Is(err, errs.Conflict) {
			t.Errorf("remove of a running one: %v, want a conflict", err)
		}
		m.end(rec.ID, 0)
		synctest.Wait()
		if _, err := s.Remove(t.Context(), identity.Caller{UID: 1002}, rec.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("remove by somebody else: %v, want not found", err)
		}
		if _, err := s.Remove(t.Context(), alice(), rec.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Find(alice(), rec.ID); !errs.Is(err, errs.NotFound) || len(m.records) != 0 {
			t.Errorf("after the removal: %v, %d records", err, len(m.records))
		}
	})
}

func TestInteractive_TimeIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		s := m.supervisor()
		defer s.Close()
		begin := time.Now()
		rec := launchNamed(t, s, plan.Overrides{Timeout: new("1h")})
		wantStatus(t, s, rec.ID, session.Running, session.Undefined, "")
		<-s.index.byID[rec.ID].done
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("it ended after %s, want one hour", took)
		}
		wantStatus(t, s, rec.ID, session.Terminated, session.Failure, session.ReasonTimeout)
	})
}
