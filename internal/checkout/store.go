package checkout

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"

	"agentd/internal/errs"
)

// store is the objects of one repository, all in packs.
type store struct {
	j *job
	// dir is .git/objects/pack; path is where that is, for go-git.
	dir   *os.Root
	path  string
	packs []*pack
	// bases holds what other objects are differences to; it is safe for several readers.
	bases cache.Object
	// complete are commits whose whole history is here.
	complete []plumbing.Hash
}

// pack is one complete pack on disk.
type pack struct {
	name string
	*table
}

func newStore(j *job, dir *os.Root, path string) *store {
	return &store{j: j, dir: dir, path: path, bases: cache.NewObjectLRU(cache.FileSize(j.req.Limits.MemoryBytes / 10))}
}

func (s *store) find(h plumbing.Hash) (*pack, *entry) {
	for _, p := range s.packs {
		if e := p.find(h); e != nil {
			return p, e
		}
	}
	return nil, nil
}

func (s *store) has(h plumbing.Hash) bool {
	_, e := s.find(h)
	return e != nil
}

// withPrefix lists the commits whose hash begins with the given hexadecimal digits.
func (s *store) withPrefix(digits string) []plumbing.Hash {
	whole, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return nil
	}
	var found []plumbing.Hash
	for _, p := range s.packs {
		i := 0
		for hi := len(p.entries); i < hi; {
			if mid := (i + hi) / 2; bytes.Compare(p.entries[mid].hash[:], whole) < 0 {
				i = mid + 1
			} else {
				hi = mid
			}
		}
		for ; i < len(p.entries) && bytes.HasPrefix(p.entries[i].hash[:], whole); i++ {
			e := &p.entries[i]
			if e.kind == plumbing.CommitObject && strings.HasPrefix(e.hash.String(), digits) {
				found = append(found, e.hash)
			}
		}
	}
	return unique(found)
}

// maxPeel bounds a chain of tags of tags.
const maxPeel = 10

// peel follows tags to a commit.
func (s *store) peel(h plumbing.Hash) (plumbing.Hash, error) {
	r := s.reader()
	defer r.close()
	for range maxPeel {
		o, err := r.get(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		switch o.kind {
		case plumbing.CommitObject:
			return h, nil
		case plumbing.TagObject:
			text, err := o.small(maxHeader)
			if err != nil {
				return plumbing.ZeroHash, err
			}
			next, _, ok := bytes.Cut(bytes.TrimPrefix(text, []byte("object ")), []byte("\n"))
			if !ok || !plumbing.IsHash(string(next)) {
				return plumbing.ZeroHash, fmt.Errorf("%w: tag %s", errBroken, h)
			}
			h = plumbing.NewHash(string(next))
		default:
			return plumbing.ZeroHash, errs.New(errs.Invalid, "it names a %s, not a commit", o.kind)
		}
	}
	return plumbing.ZeroHash, fmt.Errorf("%w: tags of tags without end", errBroken)
}

// commit is what we need of one.
type commit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
}

// maxHeader bounds commits and tags: their messages are not read beyond it.
const maxHeader = 1 << 20

func (r *reader) commit(h plumbing.Hash) (commit, error) {
	o, err := r.get(h)
	if err != nil {
		return commit{}, err
	}
	text, err := o.small(maxHeader)
	if err != nil {
		return commit{}, err
	}
	var c commit
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch {
		case key == "tree" && plumbing.IsHash(value):
			c.tree = plumbing.NewHash(value)
			continue
		case key == "parent" && plumbing.IsHash(value):
			c.parents = append(c.parents, plumbing.NewHash(value))
			continue
		}
		break
	}
	if o.kind != plumbing.CommitObject || c.tree.IsZero() {
		return commit{}, fmt.Errorf("%w: commit %s", errBroken, h)
	}
	return c, nil
}

// maxWalk bounds the search for a commit in a branch's history, which only a warning depends on.
const maxWalk = 100_000

// reaches reports whether commit is in the history of tip; known is false if that cannot be told from what is here.
func (s *store) reaches(ctx context.Context, tip, commit plumbing.Hash, ends []plumbing.Hash) (on, known bool) {
	tip, err := s.peel(tip)
	if err != nil {
		return false, false
	}
	r := s.reader()
	defer r.close()
	seen := map[plumbing.Hash]bool{tip: true}
	for next := []plumbing.Hash{tip}; len(next) > 0; {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		if h == commit {
			return true, true
		}
		c, err := r.commit(h)
		if err != nil || len(seen) > maxWalk || ctx.Err() != nil {
			return false, false
		}
		for _, p := range c.parents {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return false, len(ends) == 0
}
