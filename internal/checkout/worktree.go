package checkout

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sync/errgroup"
)

// worktree is the work tree of one repository, as it was written.
type worktree struct {
	// entries are the index's, in its order.
	entries chunks
	// dirs is the tree of directories, for the index's cache of trees.
	dirs    *treeNode
	links   []gitlink
	modules []byte

	j  *job
	mu sync.Mutex // guards what follows
	// lfs and encoded are files that are not what their author sees; others of them are only counted.
	lfs, encoded       []string
	manyLFS, manyCoded int
}

// treeNode is a directory, or the root with an empty name.
type treeNode struct {
	name    string
	hash    plumbing.Hash
	entries int // files in it and beneath
	dirs    []*treeNode
}

// Modes of a tree's entries.
const (
	modeTree    = 0o040000
	modeFile    = 0o100644
	modeProgram = 0o100755
	modeLink    = 0o120000
	modeGitlink = 0o160000
)

// treeEntry is one line of a tree.
type treeEntry struct {
	name string
	mode uint32
	hash plumbing.Hash
}

// parseTree reads a tree and checks what git checks: names, modes, order.
func parseTree(text []byte) ([]treeEntry, error) {
	var all []treeEntry
	last := ""
	for len(text) > 0 {
		head, _, ok := bytes.Cut(text[:min(len(text), 8)], []byte(" "))
		mode, err := strconv.ParseUint(string(head), 8, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: a tree's mode", errBroken)
		}
		text = text[len(head)+1:]
		end := bytes.IndexByte(text[:min(len(text), maxPath)], 0)
		if end < 0 || len(text) < end+1+len(plumbing.ZeroHash) {
			return nil, fmt.Errorf("%w: a tree's name", errBroken)
		}
		e := treeEntry{name: string(text[:end]), mode: canonical(uint32(mode))}
		copy(e.hash[:], text[end+1:])
		text = text[end+1+len(e.hash):]
		if e.mode == 0 {
			return nil, fmt.Errorf("%w: a tree's mode %o", errBroken, mode)
		}
		if err := checkName(e.name, e.mode == modeLink); err != nil {
			return nil, err
		}
		order := e.name
		if e.mode == modeTree {
			order += "/"
		}
		if order <= last {
			return nil, fmt.Errorf("%w: a tree whose names are not in order", errBroken)
		}
		last = order
		all = append(all, e)
	}
	return all, nil
}

// canonical maps a mode to the few that there are; old programs wrote others of regular files. 0 is unknown.
func canonical(mode uint32) uint32 {
	switch kind := mode & 0o170000; {
	case kind == 0o100000 && mode&0o100 != 0:
		return modeProgram
	case kind == 0o100000:
		return modeFile
	case kind == modeTree, kind == modeLink, kind == modeGitlink:
		return kind
	}
	return 0
}

const (
	// maxPath bounds a path within the repository; the kernel takes 4,096 bytes with all that comes before.
	maxPath = 3900
	// maxDepth bounds directories in directories: each is held open while what is in it is written.
	maxDepth = 512
)

// backdate is subtracted from the files' times. Git reads every file again that changed in the second that the index was
// written in, since it could have changed after that unseen; these visibly did not.
const backdate = 2 * time.Second

// writeTree writes the work tree of a commit into dir, which holds nothing but .git.
func (j *job) writeTree(ctx context.Context, dir *os.Root, st *store, commit plumbing.Hash, s source) (*worktree, error) {
	t := &worktree{j: j}
	r := st.reader()
	defer r.close()
	c, err := r.commit(commit)
	if err != nil {
		return nil, err
	}
	if err := dir.Chmod(".", dirMode); err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	jobs, written := make(chan fileJob, 256), new(atomic.Int64)
	p := &planter{t: t, r: r, jobs: jobs}
	g.Go(func() error {
		defer close(jobs)
		var err error
		t.dirs, err = p.plant(ctx, newHandle(dir, false), spot{}, c.tree, nil)
		return err
	})
	when := time.Now().Add(-backdate)
	for range workers {
		g.Go(func() error {
			w := &fileWriter{t: t, r: st.reader(), when: when}
			defer w.r.close()
			for f := range jobs {
				if ctx.Err() != nil {
					f.dir.release()
					continue
				}
				if err := w.write(f); err != nil {
					return fmt.Errorf("%s: %w", clean(f.entry.name, 200), err)
				}
				n := written.Add(1)
				j.progress(Progress{Phase: Writing, Repository: s.name, Done: n, Bytes: j.bytes.Load()})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	n := written.Load()
	j.progress(Progress{Phase: Writing, Repository: s.name, Done: n, Total: n, Bytes: j.bytes.Load()})
	return t, nil
}

// complain warns of what a person may miss.
func (t *worktree) complain(repository string, sub bool) {
	where := ""
	if sub {
		where = " of " + repository
	}
	list := func(names []string, n int) string {
		text := strings.Join(names, ", ")
		if n > len(names) {
			text += fmt.Sprintf(" and %d more", n-len(names))
		}
		return text
	}
	if t.manyLFS > 0 {
		t.j.warn("%d files%s are pointers of Git LFS, whose contents were not fetched: %s",
			t.manyLFS, where, list(t.lfs, t.manyLFS))
	}
	if t.manyCoded > 0 {
		t.j.warn("%d files%s are left in UTF-8, or with the ends of lines as stored, though .gitattributes asks for "+
			"another form: %s", t.manyCoded, where, list(t.encoded, t.manyCoded))
	}
	if n := len(t.links); n > 0 && !t.j.req.Checkout.Submodules {
		var names []string
		for _, l := range t.links[:min(n, maxNamed)] {
			names = append(names, l.path)
		}
		t.j.warn("%d submodules%s were not fetched (x-agentd.git.submodules asks for them): %s", n, where, list(names, n))
	}
}

// maxNamed is how many files a warning names.
const maxNamed = 3

func (t *worktree) note(names *[]string, count *int, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count++
	if len(*names) < maxNamed {
		*names = append(*names, path)
	}
}
