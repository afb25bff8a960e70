package checkout

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"agentd/internal/errs"
)

// fetched is a repository's objects, and where to stand in them.
type fetched struct {
	way
	remote *remote
	store  *store
	commit plumbing.Hash
	ends   []plumbing.Hash // where a shallow history ends
}

// fetch brings the objects that the aim needs into st, or into the cache if c is not nil.
func (j *job) fetch(ctx context.Context, s source, a aim, st *store, c *cached) (*fetched, error) {
	ctx, w := watched(ctx, j.req.Limits.Stall)
	defer w.release()
	r, err := j.connect(ctx, s, w)
	if err != nil {
		return nil, because(ctx, err)
	}
	defer func() { r.session.Close() }() //nolint:errcheck // what was wanted of it has come
	f := &fetched{remote: r, store: st}
	if f.way, err = a.plan(r); err != nil {
		return nil, in("choose what to fetch", err)
	}
	if err := c.learn(r); err != nil {
		return nil, in("write the cache", err)
	}
	for i, try := range f.attempts {
		if i > 0 {
			// A stream serves one request.
			r.session.Close() //nolint:errcheck // used up
			if r, err = j.connect(ctx, s, w); err != nil {
				return nil, because(ctx, err)
			}
			f.remote = r
		}
		if err := j.takeThrough(ctx, s, f, try, w, c); err != nil {
			if refused(err) && i+1 < len(f.attempts) {
				continue
			}
			return nil, in("fetch", because(ctx, err))
		}
		if f.commit, err = j.resolve(ctx, a, f); !errs.Is(err, errs.NotFound) {
			return f, in("find the commit", err)
		}
	}
	return nil, in("find the commit", err)
}

// because replaces the error of a read that was cut off by the reason for that.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if st, ok := errors.AsType[*stepError](err); ok {
			return &stepError{st.step, cause}
		}
		return cause
	}
	return err
}

func (j *job) takeThrough(ctx context.Context, s source, f *fetched, try attempt, w *watch, c *cached) error {
	if c != nil {
		return c.take(ctx, s, f, try, w)
	}
	return j.take(ctx, s, f, try, w)
}

// take makes one request and stores what comes.
func (j *job) take(ctx context.Context, s source, f *fetched, try attempt, w *watch) error {
	var wants []plumbing.Hash
	for _, h := range try.wants {
		if !f.store.has(h) {
			wants = append(wants, h)
		}
	}
	if len(wants) == 0 {
		return nil
	}
	data, ends, err := f.remote.ask(ctx, wants, f.store.complete, try.depth, w)
	if err != nil {
		return err
	}
	defer data.Close() //nolint:errcheck // all of it was read, or the error of reading it is told
	if err := f.store.receive(ctx, data, w, func(p Progress) { p.Repository = s.name; j.progress(p) }); err != nil {
		return err
	}
	for _, h := range wants {
		if !f.store.has(h) {
			return fmt.Errorf("%w: object %s did not come", errBroken, h)
		}
	}
	f.ends = ends
	if try.depth == 0 {
		f.store.complete = unique(append(f.store.complete, wants...))
	}
	return nil
}

// resolve finds the commit that is aimed at among the objects. errs.NotFound means that more has to be fetched.
func (j *job) resolve(ctx context.Context, a aim, f *fetched) (plumbing.Hash, error) {
	if a.commit == "" {
		return f.store.peel(f.tip)
	}
	found := f.store.withPrefix(a.commit)
	switch {
	case len(found) == 0 && len(a.commit) == fullHash && f.store.has(plumbing.NewHash(a.commit)):
		return plumbing.ZeroHash, errs.New(errs.Invalid, "%s is not a commit", a.commit)
	case len(found) == 0:
		return plumbing.ZeroHash, errs.New(errs.NotFound, "no commit %s", a.commit).
			WithHint("push it, or check that the repository is the right one")
	case len(found) > 1:
		names := make([]string, 0, maxNear)
		for _, h := range found[:min(len(found), maxNear)] {
			names = append(names, h.String())
		}
		return plumbing.ZeroHash, errs.New(errs.Ambiguous, "%d commits begin with %s", len(found), a.commit).
			WithHint("write more digits: %s", strings.Join(names, ", "))
	}
	if a.branch != "" && f.store.has(f.tip) {
		if on, known := f.store.reaches(ctx, f.tip, found[0], f.ends); known && !on {
			j.warn("commit %s is not on %s; the commit counts", found[0], a.branch)
		}
	}
	return found[0], nil
}
