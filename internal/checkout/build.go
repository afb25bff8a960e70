package checkout

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// made is a finished repository with its work tree.
type made struct {
	commit  plumbing.Hash
	branch  string
	shallow bool
	// links are the gitlinks of its tree, and modules its .gitmodules, if it is there.
	links   []gitlink
	modules []byte
}

// gitlink is a submodule's place in a tree.
type gitlink struct {
	path   string
	commit plumbing.Hash
}

// build makes one repository in dir, whose path is given for go-git: objects, references, work tree, and last the index.
func (j *job) build(ctx context.Context, dir *os.Root, path string, s source, a aim) (*made, error) {
	if err := dir.Mkdir(".git", 0o755); err != nil {
		return nil, in("prepare the directory", err)
	}
	git, err := dir.OpenRoot(".git")
	if err != nil {
		return nil, in("prepare the directory", err)
	}
	defer git.Close() //nolint:errcheck // a directory
	return j.buildIn(ctx, dir, git, path+"/.git", s, a)
}

// buildIn is build with the repository in git, wherever that is.
func (j *job) buildIn(ctx context.Context, dir, git *os.Root, gitPath string, s source, a aim) (*made, error) {
	if err := j.skeleton(git); err != nil {
		return nil, in("prepare the directory", err)
	}
	packs, err := git.OpenRoot("objects/pack")
	if err != nil {
		return nil, in("prepare the directory", err)
	}
	defer packs.Close() //nolint:errcheck // a directory
	c, err := j.cacheFor(ctx, s)
	if err != nil {
		return nil, in("open the cache", err)
	}
	defer c.close()
	f, err := j.bring(ctx, s, a, newStore(j, packs, gitPath+"/objects/pack"), c)
	if err != nil {
		return nil, err
	}
	m := &made{commit: f.commit}
	if a.commit == "" && f.ref.IsBranch() {
		m.branch = f.ref.Short()
	}
	if m.shallow, err = j.writeRefs(git, s, f, m.branch); err != nil {
		return nil, in("write the references", err)
	}
	var t *worktree
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return in("take the packs from the cache", c.hand(ctx, f.store.packs, packs)) })
	g.Go(func() (err error) {
		t, err = j.writeTree(ctx, dir, f.store, f.commit, s)
		return in("write the files", err)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.links, m.modules = t.links, t.modules
	t.complain(s.name, a.exact)
	if err := j.writeDirc(git, t); err != nil {
		return nil, in("write the index", err)
	}
	return m, nil
}

// cacheFor opens the cache of a repository. One that cannot be used is said, and gone without.
func (j *job) cacheFor(ctx context.Context, s source) (*cached, error) {
	c, err := j.openCache(ctx, s)
	if err != nil && !errors.Is(err, errCache) && ctx.Err() == nil {
		j.warn("the cache of repositories is not used: %s", plain(err))
		return nil, nil //nolint:nilnil // without one
	}
	return c, err
}

// bring fetches what the aim needs, by way of the cache if there is one.
func (j *job) bring(ctx context.Context, s source, a aim, st *store, c *cached) (*fetched, error) {
	if c == nil {
		return j.fetch(ctx, s, a, st, nil)
	}
	return j.fetchThrough(ctx, s, a, c)
}

// writeRefs writes what `git clone` would: HEAD, the branch, what is known of the remote's branches and tags, the
// configuration, and where the history ends. It reports whether it does.
func (j *job) writeRefs(git *os.Root, s source, f *fetched, branch string) (shallow bool, err error) {
	var packed []packedRef
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		for _, name := range f.remote.names(prefix) {
			h := f.remote.adv.References[name]
			if !f.store.has(h) {
				continue
			}
			local := name
			if prefix == "refs/heads/" {
				local = "refs/remotes/origin/" + strings.TrimPrefix(name, prefix)
			}
			packed = append(packed, packedRef{local, h, f.remote.adv.Peeled[name]})
		}
	}
	if err := j.writePacked(git, packed); err != nil {
		return false, err
	}
	head := f.commit.String() + "\n"
	if branch != "" {
		head = "ref: refs/heads/" + branch + "\n"
	}
	if f.ref.IsBranch() && f.store.has(f.tip) {
		if err := j.writeFile(git, "refs/heads/"+f.ref.Short(), f.tip.String()+"\n"); err != nil {
			return false, err
		}
	}
	if main, tip, ok := f.remote.head(); ok && main.IsBranch() && f.store.has(tip) {
		text := "ref: refs/remotes/origin/" + main.Short() + "\n"
		if err := j.writeFile(git, "refs/remotes/origin/HEAD", text); err != nil {
			return false, err
		}
	}
	var ends []string
	for _, h := range unique(f.ends) {
		if f.store.has(h) {
			ends = append(ends, h.String())
		}
	}
	if len(ends) > 0 {
		if err := j.writeFile(git, "shallow", strings.Join(ends, "\n")+"\n"); err != nil {
			return false, err
		}
	}
	if err := j.writeFile(git, "config", configuration(s, f.ref, len(ends) > 0, f.store.has(f.tip))); err != nil {
		return false, err
	}
	return len(ends) > 0, j.writeFile(git, "HEAD", head)
}
