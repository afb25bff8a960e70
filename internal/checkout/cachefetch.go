package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// The ways that a clone's objects came, from the cheapest on.
const (
	// FromCache is without a word to the host.
	FromCache = "cache"
	// FromCurrentCache is after the host was asked where its branches are.
	FromCurrentCache = "current cache"
	// FromUpdatedCache is with what was new fetched.
	FromUpdatedCache = "updated cache"
	// FromHost is all fetched.
	FromHost = "host"
)

// offline finds what is aimed at without the host: a whole commit hash that is here with all that it needs.
func (c *cached) offline(a aim) (*fetched, error) {
	if c.state.Refs == nil || len(a.commit) != fullHash || !hexadecimal.MatchString(a.commit) {
		return nil, nil //nolint:nilnil // the host has to be asked
	}
	r, err := c.state.Refs.advertisement()
	if err != nil {
		return nil, err
	}
	f := &fetched{remote: r, store: c.full, commit: plumbing.NewHash(a.commit)}
	if f.way, err = a.start(r); err != nil {
		return nil, nil //nolint:nilnil,nilerr // a branch that the host may have by now
	}
	if a.depth > 0 {
		if f.store, f.ends, err = c.shallow(attempt{[]plumbing.Hash{f.commit}, a.depth}); err != nil {
			return nil, err
		}
	}
	if a.depth == 0 || f.store == nil {
		// With more history than was asked for, as with a host that does not hand out commits by their hashes.
		f.store, f.ends = c.full, c.ends(func(g cachedFetch) bool { return g.Depth == 0 })
	}
	if _, e := f.store.find(f.commit); e == nil || e.kind != plumbing.CommitObject {
		return nil, nil //nolint:nilnil // the host has to be asked
	}
	return f, nil
}

// fetchThrough is fetch by way of the cache: one at a time asks the host, and those who waited find what it brought.
func (j *job) fetchThrough(ctx context.Context, s source, a aim, c *cached) (*fetched, error) {
	f, err := c.offline(a)
	if err != nil || f != nil {
		return c.found(ctx, a, f, err)
	}
	if err := c.lock(ctx, fetchLock, unix.LOCK_EX); err != nil {
		return nil, in("wait for another fetch", err)
	}
	defer c.release()
	if err := c.load(); err != nil {
		return nil, in("read the cache", err)
	}
	if f, err = c.offline(a); err != nil || f != nil {
		return c.found(ctx, a, f, err)
	}
	if err := c.sweep(); err != nil {
		return nil, in("read the cache", err)
	}
	return j.fetch(ctx, s, a, c.full, c)
}

// found checks a commit that needed no host as any other.
func (c *cached) found(ctx context.Context, a aim, f *fetched, err error) (*fetched, error) {
	if err == nil {
		c.j.came(FromCache)
		f.commit, err = c.j.resolve(ctx, a, f)
	}
	if err != nil {
		return nil, in("read the cache", err)
	}
	return f, nil
}

// take makes one request, as far as the cache has not what it would bring, and keeps what comes.
func (c *cached) take(ctx context.Context, s source, f *fetched, try attempt, w *watch) error {
	fresh := len(c.state.Fetches) == 0
	var wants []plumbing.Hash
	if try.depth == 0 {
		f.store = c.full
		for _, h := range try.wants {
			if !c.full.has(h) {
				wants = append(wants, h)
			}
		}
	} else {
		st, ends, err := c.shallow(try)
		if err != nil {
			return err
		}
		if st != nil {
			f.store, f.ends = st, ends
		} else {
			f.store, wants = newStore(c.j, c.root, c.path), try.wants
		}
	}
	if len(wants) > 0 {
		before := len(f.store.packs)
		if err := c.j.take(ctx, s, f, attempt{wants, try.depth}, w); err != nil {
			return err
		}
		if len(f.store.packs) != before+1 {
			return fmt.Errorf("%w: no pack came", errBroken)
		}
		p := f.store.packs[before]
		done := cachedFetch{Pack: p.name, Depth: try.depth, Wants: hexed(wants), Ends: hexed(f.ends)}
		if err := c.keep(p, done); err != nil {
			return err
		}
		c.j.came(map[bool]string{true: FromHost, false: FromUpdatedCache}[fresh])
	} else {
		c.j.came(FromCurrentCache)
	}
	if try.depth == 0 {
		f.ends = c.ends(func(g cachedFetch) bool { return g.Depth == 0 })
	}
	return nil
}

// cacheFault reports whether an error may come from what lies in the cache.
func cacheFault(err error) bool {
	return errors.Is(err, errCache) || broken(err) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, plumbing.ErrObjectNotFound)
}

// mend reports whether a failure may be the cache's fault, and takes what may be damaged out of it.
func (j *job) mend(err error, remove func(root, path string) error) bool {
	if err == nil || !j.fault || len(j.suspects) == 0 {
		return false
	}
	for _, name := range j.suspects {
		if j.req.putAway(name, remove) != nil {
			return false
		}
	}
	return true
}
