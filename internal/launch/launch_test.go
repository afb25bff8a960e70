package launch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// world is what the ports act on. Every call is counted, and the one numbered failAt fails, before or after its effect.
type world struct {
	mu       sync.Mutex
	calls    []string
	failAt   int
	after    bool
	atCall   func(n int)
	dirs     bool
	handed   bool
	binds    map[int]bool
	creating map[string]string
	saved    []session.Record
}

var errInjected = errors.New("injected")

func newWorld() *world {
	return &world{failAt: -1, binds: map[int]bool{}, creating: map[string]string{}}
}

// do counts a call and has its effect, unless this is the one that fails.
func (w *world) do(name string, effect func()) error {
	w.mu.Lock()
	n := len(w.calls)
	w.calls = append(w.calls, name)
	fail := n == w.failAt
	if !fail || w.after {
		effect()
	}
	w.mu.Unlock()
	if w.atCall != nil {
		w.atCall(n)
	}
	if fail {
		return fmt.Errorf("%s: %w", name, errInjected)
	}
	return nil
}

func (w *world) Ensure(
	ctx context.Context, _ uint32, _ plan.Image, _ launch.Secrets, tell func(launch.Progress),
) (launch.Image, error) {
	tell(launch.Progress{Done: 1, Total: 2, Unit: "bytes"})
	return launch.Image{ID: "sha256:1", Volumes: []string{"/data"}}, errors.Join(w.do("ensure", func() {}), ctx.Err())
}

func (w *world) Clone(
	ctx context.Context, _ uint32, _ plan.User, _ string, _ plan.Checkout, _, _ string, _ launch.Secrets,
	_ func(launch.Progress),
) (launch.Clone, error) {
	return launch.Clone{Commit: "c0ffee"}, errors.Join(w.do("clone", func() {}), ctx.Err())
}

func (w *world) Make(context.Context, session.Record) error {
	return w.do("make", func() { w.dirs = true })
}

func (w *world) Etc(context.Context, session.Record, []byte, []byte) error {
	return w.do("etc", func() {})
}

func (w *world) Hand(context.Context, session.Record, string, []byte) error {
	return w.do("hand", func() { w.handed = true })
}

func (w *world) Clear(context.Context, session.Record) error {
	return w.do("clear", func() { w.dirs, w.handed = false, false })
}

func (w *world) Bind(_ context.Context, rec session.Record) ([]launch.Bind, error) {
	binds := make([]launch.Bind, len(rec.Plan.Mounts))
	for i := range binds {
		if err := w.do("bind", func() { w.binds[i] = true }); err != nil {
			return nil, err
		}
		binds[i].Path = fmt.Sprint("/mnt/", i)
	}
	return binds, w.do("targets", func() {})
}

func (w *world) Release(context.Context, session.Record) error {
	return w.do("release", func() { clear(w.binds) })
}

func (w *world) Create(_ context.Context, c launch.Container) (string, error) {
	return "cid", w.do("create", func() { w.creating[c.Name] = c.Nonce })
}

func (w *world) Start(context.Context, string) (int, error) { return 42, w.do("start", func() {}) }

func (w *world) Remove(_ context.Context, name, nonce string) error {
	return w.do("remove", func() {
		if w.creating[name] == nonce {
			delete(w.creating, name)
		}
	})
}

func (w *world) Parent(context.Context) (string, error) { return "/agentd", w.do("parent", func() {}) }

func (w *world) Verify(context.Context, string, int, plan.Limits) (session.Applied, error) {
	return session.Applied{MemoryBytes: 1}, w.do("verify", func() {})
}

// left lists what the world still holds.
func (w *world) left() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []string
	if w.dirs || w.handed {
		left = append(left, "directories")
	}
	if len(w.binds) > 0 {
		left = append(left, "binds")
	}
	if len(w.creating) > 0 {
		left = append(left, "containers")
	}
	return strings.Join(left, ", ")
}

func (w *world) attempt() *launch.Attempt {
	rec := session.Record{
		ID: "s1", Nonce: "n1", OwnerName: "alice",
		Plan: plan.Plan{
			Type:     session.Interactive,
			Checkout: &plan.Checkout{Repository: "https://x/r", Target: "/home/work/r"},
			Mounts: []plan.Mount{
				{Source: "/a", Target: "/home/work/a"}, {Source: "/b", Target: "/data/b", ReadOnly: true},
			},
			Steps: plan.Steps{Bootstrap: "true", Startup: "true"},
		},
	}
	a := launch.NewAttempt(rec, launch.Ports{
		Images: w, Clones: w, Scratches: w, Binds: w, Containers: w, Limits: w,
	}, launch.Directories{Session: layout.Session("/s"), Scratch: "/scratch"})
	a.Save = func(r session.Record) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.saved = append(w.saved, r)
		return nil
	}
	return a
}

// callsOfALaunch is how many calls a launch makes that nothing fails.
func callsOfALaunch(t *testing.T) int {
	t.Helper()
	w := newWorld()
	if err := launch.Up(t.Context(), w.attempt(), launch.Steps()); err != nil {
		t.Fatal(err)
	}
	return len(w.calls)
}

func TestUp_DoesAllInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a := w.attempt()
	if err := launch.Up(t.Context(), a, launch.Steps()); err != nil {
		t.Fatal(err)
	}
	// The image runs beside the clone and the mounts.
	const image, want = "ensure etc", "make clone bind bind targets parent create hand start verify"
	var beside, got []string
	for n, call := range w.calls {
		if !strings.Contains(image, call) {
			got = append(got, call)
			continue
		}
		beside = append(beside, call)
		if n > slices.Index(w.calls, "parent") {
			t.Errorf("%s is not done before the container's parent is asked for", call)
		}
	}
	if strings.Join(beside, " ") != image || strings.Join(got, " ") != want {
		t.Errorf("calls are %q beside %q, want %q beside %q", beside, got, image, want)
	}
	rec := a.Record()
	if rec.Staged.ContainerID != "cid" || rec.Staged.Commit != "c0ffee" || rec.Staged.ImageID != "sha256:1" ||
		rec.Staged.Applied == nil || rec.Intent != "" {
		t.Errorf("record says %+v with intent %q", rec.Staged, rec.Intent)
	}
	if len(rec.Timings) != 6 {
		t.Errorf("there are %d timings, want one a step: %+v", len(rec.Timings), rec.Timings)
	}
}

// Every call of every port fails once, before its effect and after it; then all is undone, last first, and nothing is
// left, however often it is undone.
func TestDown_LeavesNothing(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n := range callsOfALaunch(t) {
			w := newWorld()
			w.failAt, w.after = n, after
			a := w.attempt()
			err := launch.Up(t.Context(), a, launch.Steps())
			step, ok := errors.AsType[*launch.StepError](err)
			if !ok || !errors.Is(err, errInjected) {
				t.Fatalf("call %d failed, and Up says %v", n, err)
			}
			failed := w.calls[n]
			w.calls = nil
			w.failAt = -1
			for range 2 {
				if err := launch.Down(t.Context(), a, launch.Steps()); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := strings.Join(w.calls[:3], " "), "remove release clear"; got != want {
				t.Errorf("after %s (step %s) failed the undoing was %q, want %q", failed, step.Step, got, want)
			}
			if left := w.left(); left != "" {
				t.Errorf("after %s failed (after its effect: %v) there is left: %s", failed, after, left)
			}
		}
	}
}

func TestDown_GoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a := w.attempt()
	if err := launch.Up(t.Context(), a, launch.Steps()); err != nil {
		t.Fatal(err)
	}
	w.failAt = len(w.calls)
	err := launch.Down(t.Context(), a, launch.Steps())
	if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), launch.StepContainer) {
		t.Errorf("Down says %v, want the failure and its step", err)
	}
	if left := w.left(); left != "containers" {
		t.Errorf("left is %q, want only what could not be removed", left)
	}
}

// The launch is cancelled at every call; Down works all the same, on a time of its own.
func TestUp_CancelledAtEveryCall(t *testing.T) {
	t.Parallel()
	for n := range callsOfALaunch(t) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		w.atCall = func(i int) {
			if i == n {
				cancel()
			}
		}
		a := w.attempt()
		if err := launch.Up(ctx, a, launch.Steps()); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at call %d: %v", n, err)
		}
		if err := launch.Down(ctx, a, launch.Steps()); err != nil {
			t.Errorf("undo after a cancellation at call %d: %v", n, err)
		}
		if left := w.left(); left != "" {
			t.Errorf("cancelled at call %d (%s) there is left: %s", n, w.calls[n], left)
		}
	}
}

// Whatever is done outside was written down before.
func TestUp_IntentBeforeEffect(t *testing.T) {
	t.Parallel()
	w := newWorld()
	intents := map[string]string{"create": "create the container", "start": "start the container",
		"bind": "bind the sources of the mounts"}
	w.atCall = func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		want, ok := intents[w.calls[n]]
		if ok && w.saved[len(w.saved)-1].Intent != want {
			t.Errorf("at %s the durable intent is %q, want %q", w.calls[n], w.saved[len(w.saved)-1].Intent, want)
		}
	}
	if err := launch.Up(t.Context(), w.attempt(), launch.Steps()); err != nil {
		t.Fatal(err)
	}
}

func TestUp_SaveFails(t *testing.T) {
	t.Parallel()
	full := errs.New(errs.NoSpace, "no space")
	for n := range 7 {
		w := newWorld()
		a := w.attempt()
		saves := 0
		a.Save = func(session.Record) error {
			saves++
			if saves == n+1 {
				return full
			}
			return nil
		}
		err := launch.Up(t.Context(), a, launch.Steps())
		if saves > n && !errors.Is(err, full) {
			t.Errorf("save %d failed, and Up says %v", n, err)
		}
		if err := launch.Down(t.Context(), a, launch.Steps()); err != nil || w.left() != "" {
			t.Errorf("after save %d failed: %v, left %q", n, err, w.left())
		}
	}
}
