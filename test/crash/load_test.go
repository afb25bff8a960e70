package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// asked is what somebody has asked agentd for, and what must come of it.
type asked struct {
	name, key string
	by        person
	template  string
	overrides plan.Overrides
	// code is that of a batch job; -1 for an interactive session, which goes on until it is ended.
	code int
	// ended is true once it was asked to end, and removed once it was asked to be forgotten.
	ended, removed bool
	// container is what was seen of an interactive session's container: its id and when it was started.
	container string
}

// users asks for sessions, ends and forgets them, as people do who do not know that agentd is killed meanwhile.
type users struct {
	w    *world
	rand *rand.Rand

	mu sync.Mutex
	// all is what was ever asked for, in order; next numbers it.
	all  []*asked
	next int
}

// script is a job that leaves a trace of each run and of its end.
func script(seconds string, code int) *string {
	return new(fmt.Sprintf("echo run >> runs; sleep %s; date +%%s > end; exit %d", seconds, code))
}

// invent makes up a request: batch jobs short and long, with and without a bootstrap, a clone and a mount, and sessions
// that stay.
func (u *users) invent() *asked {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.next++
	a := &asked{name: fmt.Sprintf("load-%d", u.next), key: fmt.Sprintf("key-%d", u.next), code: u.rand.IntN(4)}
	a.overrides = plan.Overrides{Name: a.name, Startup: script([]string{"0", "0.2", "0.7"}[u.rand.IntN(3)], a.code)}
	a.by, a.template = u.w.people[u.next%len(u.w.people)], "crash-job"
	// Of each three, one has a clone and one a mount: no step of a launch is ever far.
	kind := u.rand.IntN(6)
	if n := u.next % 3; n > 0 {
		kind = 1 + n
	}
	switch kind {
	case 0:
		a.code = -1
		a.overrides.Type, a.overrides.Startup = session.Interactive, new("echo run >> runs; exec sleep 3600")
	case 1:
		a.overrides.Bootstrap = new("sleep 0.2; echo ready")
	case 2:
		// The clone must be whole, or the job is not what it should be.
		a.template = "crash-clone"
		a.overrides.Startup = new("test \"$(cat repo/README.md)\" = one && test -f repo/src/main.c || exit 99; " + *a.overrides.Startup)
	case 3:
		a.overrides.Mounts = map[string]*string{u.w.files: new("/mnt/files:ro")}
	}
	u.all = append(u.all, a)
	return a
}

// launch asks until somebody has answered. The key makes it one session, however often agentd is killed.
func (u *users) launch(ctx context.Context, a *asked) {
	for ctx.Err() == nil {
		stream, err := a.by.client.Launch(ctx, api.LaunchRequest{
			Template: a.template, Overrides: a.overrides, EnqueueOnly: true,
		}, a.key)
		if err == nil {
			_, err = stream.Next()
			stream.Close()
			if err == nil {
				return
			}
		}
		if !passing(err) {
			u.w.t.Errorf("launch %s: %v", a.name, err)
			return
		}
		pause(ctx)
	}
}

// passing reports whether an error only says that agentd is not there, or that the answer broke off.
func passing(err error) bool {
	code := errs.CodeOf(err)
	return code == errs.Unavailable || code == errs.NoDaemon || code == errs.Canceled || code == errs.Internal || errors.Is(err, context.Canceled)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

// some picks up to n of those for which want is true.
func (u *users) some(n int, want func(*asked) bool) []*asked {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []*asked
	for _, i := range u.rand.Perm(len(u.all)) {
		if len(list) < n && want(u.all[i]) {
			list = append(list, u.all[i])
		}
	}
	return list
}

// round is one round of load: launches side by side, some ends and some removals. It returns when all was answered or
// ctx has ended; what was not answered is asked again in the next round.
func (u *users) round(ctx context.Context, launches int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range launches {
		a := u.invent()
		wg.Go(func() { u.launch(ctx, a) })
	}
	living := u.some(100, func(a *asked) bool { return a.code < 0 && !a.ended && a.container != "" })
	for i, a := range living {
		if i >= 2 && len(living)-i <= 6 {
			break
		}
		a.ended = true
		wg.Go(func() { u.terminate(ctx, a) })
	}
	for _, a := range u.some(3, func(a *asked) bool { return a.ended && a.container != "" && !a.removed }) {
		a.removed = true
		wg.Go(func() { u.remove(ctx, a) })
	}
	return &wg
}

func (u *users) terminate(ctx context.Context, a *asked) {
	for ctx.Err() == nil {
		_, err := a.by.client.Terminate(ctx, a.name, false)
		if err == nil {
			return
		}
		if !passing(err) {
			u.w.t.Errorf("terminate %s: %v", a.name, err)
			return
		}
		pause(ctx)
	}
}

func (u *users) remove(ctx context.Context, a *asked) {
	for ctx.Err() == nil {
		_, err := a.by.client.RemoveSession(ctx, a.name)
		switch {
		case err == nil, errs.Is(err, errs.NotFound):
			return
		case errs.Is(err, errs.Conflict), passing(err):
			// It has not ended yet, or agentd is not there.
		default:
			u.w.t.Errorf("remove %s: %v", a.name, err)
			return
		}
		pause(ctx)
	}
}
