package checkout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// cacheVersion is that of the files in the cache; another one's are fetched again.
const cacheVersion = 1

// cacheState says what of a cached repository is complete. It is replaced as a whole, after the files that it names are
// there: what it does not name was begun by somebody who was killed.
type cacheState struct {
	Version int           `json:"version"`
	Fetches []cachedFetch `json:"fetches"`
	// Refs are what the host advertised last.
	Refs *cachedRefs `json:"refs,omitempty"`
}

// cachedFetch is one pack that came: with depth 0 the whole history of what was asked for, as far as it was not there
// yet, else exactly what a clone of that depth needs.
type cachedFetch struct {
	Pack  string   `json:"pack"`
	Depth int      `json:"depth,omitempty"`
	Wants []string `json:"wants"`
	Ends  []string `json:"ends,omitempty"`
}

// cachedRefs is an advertisement.
type cachedRefs struct {
	Refs   map[string]string `json:"refs"`
	Peeled map[string]string `json:"peeled"`
	Head   string            `json:"head,omitempty"`
	Names  []string          `json:"names,omitempty"` // what HEAD and others are names for
}

func refsOf(adv *packp.AdvRefs) *cachedRefs {
	c := &cachedRefs{Refs: map[string]string{}, Peeled: map[string]string{}, Names: adv.Capabilities.Get(capability.SymRef)}
	for n, h := range adv.References {
		c.Refs[n] = h.String()
	}
	for n, h := range adv.Peeled {
		c.Peeled[n] = h.String()
	}
	if adv.Head != nil {
		c.Head = adv.Head.String()
	}
	return c
}

// advertisement is the remote as it was when it was last asked.
func (c *cachedRefs) advertisement() (*remote, error) {
	adv := packp.NewAdvRefs()
	for n, h := range c.Refs {
		adv.References[n] = plumbing.NewHash(h)
	}
	for n, h := range c.Peeled {
		adv.Peeled[n] = plumbing.NewHash(h)
	}
	if c.Head != "" {
		h := plumbing.NewHash(c.Head)
		adv.Head = &h
	}
	if len(c.Names) > 0 {
		if err := adv.Capabilities.Add(capability.SymRef, c.Names...); err != nil {
			return nil, fmt.Errorf("%w: %w", errCache, err)
		}
	}
	return &remote{adv: adv}, nil
}

// load reads the state; none is that of a repository that nothing was fetched of.
func (c *cached) load() error {
	text, err := c.root.ReadFile(stateFile)
	var state cacheState
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.state, c.full = cacheState{Version: cacheVersion}, newStore(c.j, c.root, c.path)
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(text, &state); err != nil || state.Version != cacheVersion {
		c.j.suspect(c.name)
		return fmt.Errorf("%w: its state: %w", errCache, err)
	}
	if len(state.Fetches) > 0 {
		c.j.suspect(c.name)
	}
	if len(state.Fetches) > maxFetches {
		return fmt.Errorf("%w: %d packs", errCache, len(state.Fetches))
	}
	c.state, c.full = state, newStore(c.j, c.root, c.path)
	return c.fill(c.full, func(f cachedFetch) bool { return f.Depth == 0 })
}

// maxFetches bounds the packs of one repository: git, too, is slow with many. Then it is fetched as a whole again.
const maxFetches = 40

// fill adds the packs of fetches to a store.
func (c *cached) fill(st *store, which func(cachedFetch) bool) error {
	left := c.j.maxObjects()
	for _, f := range c.state.Fetches {
		if !which(f) {
			continue
		}
		t, err := readTable(c.root, f.Pack, left)
		if err != nil {
			return err
		}
		left -= int64(len(t.entries))
		st.packs = append(st.packs, &pack{f.Pack, t})
		for _, w := range f.Wants {
			st.complete = append(st.complete, plumbing.NewHash(w))
		}
	}
	return nil
}

// save replaces the state.
func (c *cached) save() error {
	text, err := json.Marshal(c.state)
	if err != nil {
		return err
	}
	const temp = stateFile + ".tmp"
	if err := c.root.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return c.root.Rename(temp, stateFile)
}

// sweep removes what somebody who was killed has begun; only the one who fetches does.
func (c *cached) sweep() error {
	known := map[string]bool{useLock: true, fetchLock: true, stateFile: true}
	for _, f := range c.state.Fetches {
		for _, suffix := range []string{".pack", ".idx", tableSuffix} {
			known[f.Pack+suffix] = true
		}
	}
	entries, err := fs.ReadDir(c.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !known[e.Name()] {
			err = errors.Join(err, c.root.Remove(e.Name()))
		}
	}
	return err
}

// learn keeps what the host advertises, if there is a cache.
func (c *cached) learn(r *remote) error {
	if c == nil {
		return nil
	}
	now := refsOf(r.adv)
	if reflect.DeepEqual(now, c.state.Refs) {
		return nil
	}
	c.state.Refs = now
	return c.save()
}

// ends are the commits that the history of what was fetched ends at.
func (c *cached) ends(which func(cachedFetch) bool) []plumbing.Hash {
	var all []plumbing.Hash
	for _, f := range c.state.Fetches {
		if which(f) {
			for _, e := range f.Ends {
				all = append(all, plumbing.NewHash(e))
			}
		}
	}
	return unique(all)
}

// shallow finds the pack of an earlier fetch of exactly that.
func (c *cached) shallow(try attempt) (*store, []plumbing.Hash, error) {
	wanted := strings.Join(hexed(try.wants), " ")
	for i, f := range c.state.Fetches {
		if f.Depth == try.depth && strings.Join(f.Wants, " ") == wanted {
			only := func(g cachedFetch) bool { return g.Pack == c.state.Fetches[i].Pack && g.Depth == f.Depth }
			st := newStore(c.j, c.root, c.path)
			return st, c.ends(only), c.fill(st, only)
		}
	}
	return nil, nil, nil
}

func hexed(hashes []plumbing.Hash) []string {
	out := make([]string, 0, len(hashes))
	for _, h := range hashes {
		out = append(out, h.String())
	}
	slices.Sort(out)
	return out
}

// keep notes a pack that is complete, with its table.
func (c *cached) keep(p *pack, f cachedFetch) error {
	if err := writeTable(c.root, p); err != nil {
		return err
	}
	c.state.Fetches = append(c.state.Fetches, f)
	return c.save()
}
