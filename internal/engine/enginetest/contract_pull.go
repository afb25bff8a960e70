package enginetest

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/rand"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/plan"
)

// unique is a short random name.
func unique() string { return strings.ToLower(rand.Text()[:10]) }

// caughtTerm reports whether the process handles SIGTERM; the fake's processes are this test, which need not.
func caughtTerm(t testing.TB, pid int) bool {
	t.Helper()
	if pid == os.Getpid() {
		return true
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			caught, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && caught&(1<<(15-1)) != 0
		}
	}
	return false
}

func request(ref string, platform plan.Platform, policy string) engine.PullRequest {
	return engine.PullRequest{
		Reference: ref, Platform: platform, Policy: policy, Stall: time.Minute, Timeout: 2 * time.Minute,
	}
}

func (c *contract) pullPolicies(t *testing.T) {
	ctx := t.Context()
	// What was made here and never pushed is there.
	local := must(c.Pull(ctx, request(c.Present, amd64(), engine.PullMissing), nil))(t)
	must(c.Pull(ctx, request(c.Present, amd64(), engine.PullNever), nil))(t)
	if local.ID == "" || local.RepoDigest != "" {
		t.Errorf("local image: %+v", local)
	}
	ref := c.Single(t)
	_, err := c.Pull(ctx, request(ref, amd64(), engine.PullNever), nil)
	wantCode(t, err, errs.NotFound)
	steps := 0
	pulled := must(c.Pull(ctx, request(ref, amd64(), engine.PullMissing), func(engine.PullProgress) { steps++ }))(t)
	if steps == 0 {
		t.Error("no progress was told")
	}
	if pulled.ID == "" || !strings.Contains(pulled.RepoDigest, "@sha256:") || pulled.Platform != amd64() {
		t.Errorf("pulled image: %+v", pulled)
	}
	if tagged := c.Tagged(t, ref); tagged != pulled.ID {
		t.Errorf("the tag is %q, want %q as docker pull leaves it", tagged, pulled.ID)
	}
	again := must(c.Pull(ctx, request(ref, amd64(), engine.PullNever), nil))(t)
	always := must(c.Pull(ctx, request(ref, amd64(), engine.PullAlways), nil))(t)
	if again.ID != pulled.ID || always.ID != pulled.ID {
		t.Errorf("ids %s, %s and %s differ", pulled.ID, again.ID, always.ID)
	}
	_, err = c.Pull(ctx, request(ref, amd64(), "sometimes"), nil)
	wantCode(t, err, errs.Invalid)
	_, err = c.Pull(ctx, request("Not A Name", amd64(), engine.PullMissing), nil)
	wantCode(t, err, errs.Invalid)
}

func (c *contract) pullWrong(t *testing.T) {
	ctx := t.Context()
	_, err := c.Pull(ctx, request(c.Missing, amd64(), engine.PullMissing), nil)
	wantCode(t, err, errs.NotFound)
	// 20.10 pulls the other platform, and calls that a success.
	single := c.Single(t)
	_, err = c.Pull(ctx, request(single, arm64(), engine.PullMissing), nil)
	wantCode(t, err, errs.Unsupported)
	if tagged := c.Tagged(t, single); tagged != "" {
		t.Errorf("the tag is %s, and was absent before", tagged)
	}
	have := must(c.Pull(ctx, request(single, amd64(), engine.PullMissing), nil))(t)
	_, err = c.Pull(ctx, request(single, arm64(), engine.PullAlways), nil)
	wantCode(t, err, errs.Unsupported)
	if tagged := c.Tagged(t, single); tagged != have.ID {
		t.Errorf("the tag is %s, want %s as before", tagged, have.ID)
	}
	_, err = c.Pull(ctx, request(c.Multi(t), plan.Platform{OS: "linux", Architecture: "s390x"}, engine.PullMissing), nil)
	wantCode(t, err, errs.Unsupported)
}

// pullTwo pulls two platforms of one tag, one after the other and then many at once.
func (c *contract) pullTwo(t *testing.T, one, two plan.Platform) {
	ctx := t.Context()
	ref := c.Multi(t)
	first := must(c.Pull(ctx, request(ref, one, engine.PullMissing), nil))(t)
	tag := c.Tagged(t, ref)
	if want := map[plan.Platform]string{amd64(): first.ID, arm64(): ""}[one]; tag != want {
		t.Errorf("after the first: the tag is %q, want %q", tag, want)
	}
	second := must(c.Pull(ctx, request(ref, two, engine.PullMissing), nil))(t)
	if first.Platform != one || second.Platform.Architecture != two.Architecture {
		t.Errorf("platforms %v and %v, want %v and %v", first.Platform, second.Platform, one, two)
	}
	native := map[plan.Platform]string{one: first.ID, two: second.ID}[amd64()]
	for range 2 {
		var group sync.WaitGroup
		for _, policy := range []string{engine.PullMissing, engine.PullAlways, engine.PullNever} {
			for platform, want := range map[plan.Platform]string{one: first.ID, two: second.ID} {
				group.Go(func() { c.samePull(t, request(ref, platform, policy), want) })
			}
		}
		group.Wait()
	}
	if tag := c.Tagged(t, ref); tag != native {
		t.Errorf("at the end: the tag is %q, want the native %q", tag, native)
	}
	c.foreignTagStays(t, ref, native)
}

func (c *contract) samePull(t *testing.T, req engine.PullRequest, want string) {
	img, err := c.Pull(t.Context(), req, nil)
	if err != nil {
		t.Error(err)
	}
	if img.ID != want {
		t.Errorf("pull %s %s: %s, want %s", req.Platform, req.Policy, img.ID, want)
	}
}

// foreignTagStays pulls the native platform while somebody wants the tag to be the other: it is not ours to move.
func (c *contract) foreignTagStays(t *testing.T, ref, native string) {
	t.Helper()
	foreign := must(c.Pull(t.Context(), request(ref, arm64(), engine.PullMissing), nil))(t)
	retag(t, c.Ground.Host, foreign.ID, ref)
	img := must(c.Pull(t.Context(), request(ref, amd64(), engine.PullAlways), nil))(t)
	if tag := c.Tagged(t, ref); tag != foreign.ID || img.ID != native {
		t.Errorf("the tag is %s, want %s as somebody put it; the image is %s, want %s", tag, foreign.ID, img.ID, native)
	}
}

// watch listens while containers come and go.
func (c *contract) watch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan engine.Event, 100)
	done := make(chan error, 1)
	go func() { done <- c.Watch(ctx, c.instance, func(e engine.Event) { events <- e }) }()
	if e := next(t, events); e.Kind != engine.EventConnected {
		t.Errorf("first event %+v, want connected", e)
	}
	s := c.started(t, ScriptExit(4))
	check(t, c.Remove(ctx, must(c.Wait(ctx, s.Name))(t).ID))
	for _, want := range []engine.EventKind{engine.EventStart, engine.EventDie, engine.EventDestroy} {
		e := next(t, events)
		if e.Kind != want || e.Labels != s.Labels || e.Time.IsZero() || e.Container == "" {
			t.Errorf("event %+v, want %s of %+v", e, want, s.Labels)
		}
	}
	cancel()
	wantCode(t, <-done, errs.Canceled)
}

func next(t *testing.T, events <-chan engine.Event) engine.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event came")
		return engine.Event{}
	}
}
