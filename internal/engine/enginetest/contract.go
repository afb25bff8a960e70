package enginetest

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/plan"
)

// Ground is an engine to run the contract on, with the images that it needs.
type Ground struct {
	// Host is the engine's address.
	Host string
	// Present is an image that the engine has and no registry does, for the engine's own platform, with /bin/sh.
	Present string
	// Volumes is like Present, and has a VOLUME.
	Volumes string
	// Multi names an image that the registry has for linux/amd64 and linux/arm64; each call names a new one, which the
	// engine does not have.
	Multi func(testing.TB) string
	// Single is like Multi, for linux/amd64 only.
	Single func(testing.TB) string
	// Missing is a name that the registry knows nothing of.
	Missing string
	// Tagged is the id that a name has now, or "".
	Tagged func(testing.TB, string) string
}

// contract is one run of it.
type contract struct {
	Ground
	*engine.Engine
	instance string
}

// Run checks that the engine, seen through package engine, keeps the contract. The factory is called once for each part.
func Run(t *testing.T, factory func(*testing.T) Ground) {
	parts := map[string]func(*contract, *testing.T){
		"Info":            (*contract).info,
		"Life":            (*contract).life,
		"CreateTwice":     (*contract).createTwice,
		"StopAndKill":     (*contract).stopAndKill,
		"NotThere":        (*contract).notThere,
		"ListOurs":        (*contract).listOurs,
		"ImageVolumes":    (*contract).imageVolumes,
		"Watch":           (*contract).watch,
		"PullPolicies":    (*contract).pullPolicies,
		"PullWrong":       (*contract).pullWrong,
		"PullTwoInOrder":  func(c *contract, t *testing.T) { c.pullTwo(t, amd64(), arm64()) },
		"PullTwoReversed": func(c *contract, t *testing.T) { c.pullTwo(t, arm64(), amd64()) },
		"Network":         (*contract).network,
		"BindVolume":      (*contract).bindVolume,
		"CanSee":          (*contract).canSee,
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		part := parts[name]
		t.Run(name, func(t *testing.T) {
			ground := factory(t)
			e, err := engine.Connect(ground.Host)
			if err != nil {
				t.Fatal(err)
			}
			c := &contract{Ground: ground, Engine: e, instance: "contract-" + filepath.Base(t.TempDir()) + "-" + unique()}
			t.Cleanup(func() { c.checkNothingLeft(t) })
			part(c, t)
		})
	}
}

func amd64() plan.Platform { return plan.Platform{OS: "linux", Architecture: "amd64"} }
func arm64() plan.Platform { return plan.Platform{OS: "linux", Architecture: "arm64"} }

// wantCode fails the test unless err has the code.
func wantCode(t testing.TB, err error, want errs.Code) {
	t.Helper()
	if got := errs.CodeOf(err); got != want {
		t.Errorf("code %q, want %q: %v", got, want, err)
	}
}

// must fails the test at once if err is not nil.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkNothingLeft fails the test if something with our label is left.
func (c *contract) checkNothingLeft(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if left := must(c.ListOurs(ctx, c.instance))(t); len(left) > 0 {
		t.Errorf("containers are left: %+v", left)
	}
	if left := must(c.ListVolumes(ctx, c.instance))(t); len(left) > 0 {
		t.Errorf("volumes are left: %+v", left)
	}
}

// spec is a container of a session that runs the shell script.
func (c *contract) spec(t testing.TB, ref, script string) engine.Spec {
	t.Helper()
	session := unique()
	s := engine.Spec{
		Name:  layout.ContainerName(session),
		Image: must(c.Image(t.Context(), ref))(t),
		Labels: engine.Labels{
			Instance: c.instance, Session: session, Nonce: "nonce-" + session, Owner: "1000",
		},
		User: "1000:1000", Hostname: session, Entrypoint: []string{"/bin/sh", "-c", script}, Network: engine.NetworkNone,
		Limits: engine.Limits{MemoryBytes: 32 << 20, NanoCPUs: 5e8, Pids: 16},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Remove(ctx, s.Name); err != nil {
			t.Error(err)
		}
	})
	return s
}

// started makes and starts a container.
func (c *contract) started(t testing.TB, script string) engine.Spec {
	t.Helper()
	s := c.spec(t, c.Present, script)
	must(c.Create(t.Context(), s))(t)
	check(t, c.Start(t.Context(), s.Name))
	return s
}

func (c *contract) info(t *testing.T) {
	check(t, c.Ping(t.Context()))
	info := must(c.Info(t.Context()))(t)
	if info.APIVersion == "" || info.ServerVersion == "" || info.StorageDriver == "" || info.CgroupDriver == "" ||
		len(info.Runtimes) == 0 || info.CPUs < 1 || info.MemoryBytes < 1<<20 || info.Native.OS != "linux" ||
		info.Time.IsZero() {
		t.Errorf("something is missing: %+v", info)
	}
}

func (c *contract) life(t *testing.T) {
	ctx := t.Context()
	s := c.spec(t, c.Present, ScriptExit(7))
	id := must(c.Create(ctx, s))(t)
	got := must(c.Inspect(ctx, id))(t)
	if !s.Labels.Prove(got.Name, got.Labels) {
		t.Errorf("not ours: %+v", got)
	}
	if got.State != engine.Created || got.ImageID != s.Image.ID || !got.Started.IsZero() || got.PID != 0 {
		t.Errorf("after create: %+v", got)
	}
	if judged := engine.Judge(got, engine.Witness{}); judged.Outcome != engine.OutcomeNotStarted {
		t.Errorf("after create: %+v", judged)
	}
	check(t, c.Start(ctx, id))
	ended := must(c.Wait(ctx, id))(t)
	judged := engine.Judge(ended, engine.Witness{})
	// Not that it ended after it started: 20.10 notes the start of a short one after its end.
	if judged.Outcome != engine.OutcomeExited || judged.Code != 7 || judged.OOM || judged.Time.IsZero() {
		t.Errorf("after the end: %+v of %+v", judged, ended)
	}
	// The end has been; it is told to whoever asks later.
	if again := must(c.Wait(ctx, s.Name))(t); again.ExitCode != 7 || !again.Finished.Equal(ended.Finished) {
		t.Errorf("asked again: %+v", again)
	}
	check(t, c.Remove(ctx, id))
	_, err := c.Inspect(ctx, id)
	wantCode(t, err, errs.NotFound)
}

func (c *contract) createTwice(t *testing.T) {
	s := c.spec(t, c.Present, ScriptExit(0))
	id := must(c.Create(t.Context(), s))(t)
	_, err := c.Create(t.Context(), s)
	wantCode(t, err, errs.Conflict)
	if got := must(c.Inspect(t.Context(), s.Name))(t); got.ID != id {
		t.Errorf("the name is %s's, want %s", got.ID, id)
	}
	s.Image.ID = "sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	s.Name += "-2"
	_, err = c.Create(t.Context(), s)
	wantCode(t, err, errs.NotFound)
}

func (c *contract) stopAndKill(t *testing.T) {
	ctx := t.Context()
	s := c.started(t, ScriptUntilTerm(9))
	if got := must(c.Inspect(ctx, s.Name))(t); got.State != engine.Running || got.PID == 0 || got.Started.IsZero() {
		t.Errorf("running: %+v", got)
	}
	check(t, c.Start(ctx, s.Name))
	c.untilTrapped(t, s)
	check(t, c.Stop(ctx, s.Name, 10*time.Second))
	if got := must(c.Inspect(ctx, s.Name))(t); got.State != engine.Exited || got.ExitCode != 9 {
		t.Errorf("stopped: %+v", got)
	}
	check(t, c.Stop(ctx, s.Name, time.Second))
	wantCode(t, c.Kill(ctx, s.Name, "SIGTERM"), errs.Conflict)
	killed := c.started(t, ScriptUntilTerm(9))
	check(t, c.Kill(ctx, killed.Name, "SIGKILL"))
	if got := must(c.Wait(ctx, killed.Name))(t); got.ExitCode != 137 || got.OOMKilled {
		t.Errorf("killed: %+v", got)
	}
}

// untilTrapped waits for the script to be deaf to SIGTERM no more: PID 1 ignores what it has no handler for.
func (c *contract) untilTrapped(t *testing.T, s engine.Spec) {
	t.Helper()
	for {
		pid := must(c.Inspect(t.Context(), s.Name))(t).PID
		if caughtTerm(t, pid) || t.Context().Err() != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *contract) notThere(t *testing.T) {
	ctx := t.Context()
	const name = "agentd-not-there"
	_, err := c.Inspect(ctx, name)
	wantCode(t, err, errs.NotFound)
	_, err = c.Wait(ctx, name)
	wantCode(t, err, errs.NotFound)
	wantCode(t, c.Start(ctx, name), errs.NotFound)
	wantCode(t, c.Stop(ctx, name, time.Second), errs.NotFound)
	wantCode(t, c.Kill(ctx, name, "SIGTERM"), errs.NotFound)
	_, err = c.Image(ctx, c.Missing)
	wantCode(t, err, errs.NotFound)
	// What is to be gone is gone.
	check(t, c.Remove(ctx, name))
	check(t, c.RemoveNetwork(ctx, name))
	check(t, c.RemoveVolume(ctx, name))
}

func (c *contract) listOurs(t *testing.T) {
	ctx := t.Context()
	created := c.spec(t, c.Present, ScriptExit(0))
	must(c.Create(ctx, created))(t)
	running := c.started(t, ScriptUntilTerm(0))
	exited := c.started(t, ScriptExit(3))
	must(c.Wait(ctx, exited.Name))(t)
	foreign := c.spec(t, c.Present, ScriptExit(0))
	foreign.Labels.Instance = "another"
	must(c.Create(ctx, foreign))(t)

	got := map[string]engine.State{}
	for _, s := range must(c.ListOurs(ctx, c.instance))(t) {
		got[s.Name] = s.State
		if s.Labels.Nonce == "" || s.ID == "" || s.Created.IsZero() {
			t.Errorf("something is missing: %+v", s)
		}
	}
	want := map[string]engine.State{
		created.Name: engine.Created, running.Name: engine.Running, exited.Name: engine.Exited,
	}
	for name, state := range want {
		if got[name] != state {
			t.Errorf("%s is %q, want %q", name, got[name], state)
		}
	}
	if len(got) != len(want) {
		t.Errorf("listed %v, want %v", got, want)
	}
}

func (c *contract) imageVolumes(t *testing.T) {
	ctx := t.Context()
	s := c.spec(t, c.Volumes, ScriptExit(0))
	if len(s.Image.Config.Volumes) == 0 {
		t.Fatal("the image has no VOLUME")
	}
	must(c.Create(ctx, s))(t)
	if made := must(c.ListVolumes(ctx, c.instance))(t); len(made) != len(s.Image.Config.Volumes) {
		t.Errorf("%d volumes with our label, want %d", len(made), len(s.Image.Config.Volumes))
	}
	check(t, c.Start(ctx, s.Name))
	must(c.Wait(ctx, s.Name))(t)
	check(t, c.Remove(ctx, s.Name))
	if left := must(c.ListVolumes(ctx, c.instance))(t); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}

func (c *contract) network(t *testing.T) {
	ctx := t.Context()
	name := "agentd-test-" + unique()
	check(t, c.EnsureNetwork(ctx, name, c.instance))
	t.Cleanup(func() { check(t, c.RemoveNetwork(context.Background(), name)) })
	check(t, c.EnsureNetwork(ctx, name, c.instance))
	wantCode(t, c.EnsureNetwork(ctx, name, "another"), errs.Conflict)
}

func (c *contract) bindVolume(t *testing.T) {
	ctx := t.Context()
	name, dir := "agentd-test-"+unique(), t.TempDir()
	labels := engine.Labels{Instance: c.instance}
	check(t, c.CreateVolume(ctx, name, dir, true, labels))
	check(t, c.CreateVolume(ctx, name, dir, true, labels))
	wantCode(t, c.CreateVolume(ctx, name, dir, false, labels), errs.Conflict)
	if got := must(c.ListVolumes(ctx, c.instance))(t); len(got) != 1 || got[0].Name != name {
		t.Errorf("listed %+v", got)
	}
	check(t, c.RemoveVolume(ctx, name))
}

func (c *contract) canSee(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o755))
	if !must(c.CanSee(t.Context(), dir))(t) {
		t.Errorf("%s is not seen", dir)
	}
	if must(c.CanSee(t.Context(), filepath.Join(dir, "nothing")))(t) {
		t.Error("what is not there is seen")
	}
}
