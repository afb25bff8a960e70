package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"

	"agentd/internal/errs"
)

// handle is an open directory that several goroutines still write into; the last one closes it.
type handle struct {
	*os.Root
	users atomic.Int32
	close bool
}

func newHandle(r *os.Root, closeIt bool) *handle {
	h := &handle{Root: r, close: closeIt}
	h.users.Store(1)
	return h
}

func (h *handle) retain() *handle {
	h.users.Add(1)
	return h
}

func (h *handle) release() {
	if h.users.Add(-1) == 0 && h.close {
		h.Close() //nolint:errcheck // a directory
	}
}

// spot is a place in the work tree.
type spot struct {
	path  string // "" for the root, else with a slash at the end
	depth int
}

// planter walks the trees of a commit, makes the directories and hands out the files.
type planter struct {
	t    *worktree
	r    *reader
	jobs chan<- fileJob
}

// fileJob is one file or symbolic link to write.
type fileJob struct {
	dir   *handle
	name  string // in dir
	hash  plumbing.Hash
	entry *dircEntry
	eol   eol
}

// plant fills dir, which it releases, from a tree. Every entry counts against the budget before anything is made for it:
// a tree of a few kilobytes can describe more files than there are disks.
func (p *planter) plant(
	ctx context.Context, dir *handle, at spot, tree plumbing.Hash, attrs *attributes,
) (*treeNode, error) {
	defer dir.release()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	entries, err := p.read(tree)
	if err != nil {
		return nil, err
	}
	if attrs, err = p.attributes(entries, at, attrs); err != nil {
		return nil, err
	}
	node := &treeNode{hash: tree}
	for _, e := range entries {
		if err := p.t.j.takeFiles(1); err != nil {
			return nil, err
		}
		path := at.path + e.name
		if len(path) > maxPath || at.depth > maxDepth {
			return nil, errs.New(errs.TooLarge, "a path of %d bytes in %d directories", len(path), at.depth)
		}
		switch e.mode {
		case modeTree:
			sub, err := p.enter(ctx, dir, at, e, attrs)
			if err != nil {
				return nil, err
			}
			node.dirs, node.entries = append(node.dirs, sub), node.entries+sub.entries
			continue
		case modeGitlink:
			if err := mkdir(dir.Root, e.name); err != nil {
				return nil, twice(path, err)
			}
			p.t.entries.add(dircEntry{name: path, hash: e.hash, mode: e.mode})
			p.t.links = append(p.t.links, gitlink{path, e.hash})
		default:
			f := fileJob{dir: dir.retain(), name: e.name, hash: e.hash}
			f.entry = p.t.entries.add(dircEntry{name: path, hash: e.hash, mode: e.mode})
			if e.mode != modeLink {
				f.eol = attrs.eol(path, func() { p.t.note(&p.t.encoded, &p.t.manyCoded, path) })
			}
			select {
			case p.jobs <- f:
			case <-ctx.Done():
				f.dir.release()
				return nil, context.Cause(ctx)
			}
		}
		node.entries++
	}
	return node, nil
}

// enter makes a directory and fills it.
func (p *planter) enter(ctx context.Context, dir *handle, at spot, e treeEntry, attrs *attributes) (*treeNode, error) {
	path := at.path + e.name
	if err := mkdir(dir.Root, e.name); err != nil {
		return nil, twice(path, err)
	}
	opened, err := dir.OpenRoot(e.name)
	if err != nil {
		return nil, err
	}
	node, err := p.plant(ctx, newHandle(opened, true), spot{path + "/", at.depth + 1}, e.hash, attrs)
	if err != nil {
		return nil, err
	}
	node.name = e.name
	return node, nil
}

// twice explains why something that nobody else can have made is there already.
func twice(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return errs.New(errs.Invalid, "the repository holds two files %q", clean(path, 200))
	}
	return err
}

func (p *planter) read(tree plumbing.Hash) ([]treeEntry, error) {
	o, err := p.r.get(tree)
	if err != nil {
		return nil, err
	}
	if o.kind != plumbing.TreeObject {
		return nil, fmt.Errorf("%w: %s is no tree", errBroken, tree)
	}
	text, err := o.small(maxPlain)
	if err != nil {
		return nil, err
	}
	return parseTree(text)
}

// maxAttributes bounds files that are read for what they say.
const maxAttributes = 1 << 20

// attributes adds what the directory's own .gitattributes says; and keeps .gitmodules of the root for later.
func (p *planter) attributes(entries []treeEntry, at spot, parent *attributes) (*attributes, error) {
	for _, e := range entries {
		if e.mode != modeFile && e.mode != modeProgram {
			continue
		}
		if e.name != ".gitattributes" && (e.name != ".gitmodules" || at.path != "") {
			continue
		}
		o, err := p.r.get(e.hash)
		if err != nil {
			return nil, err
		}
		if o.kind != plumbing.BlobObject || o.size > maxAttributes {
			p.t.j.warn("%s%s is too large to be heeded", at.path, e.name)
			continue
		}
		text, err := o.small(maxAttributes)
		if err != nil {
			return nil, err
		}
		if e.name == ".gitmodules" {
			p.t.modules = text
		} else {
			parent = parseAttributes(string(text), at.path, parent)
		}
	}
	return parent, nil
}
