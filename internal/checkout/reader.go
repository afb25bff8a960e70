package checkout

import (
	"fmt"
	"io"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// reader reads objects; each goroutine has its own.
type reader struct {
	s    *store
	open map[*pack]*openPack
}

// openPack is go-git's view of a pack, twice: small objects are read whole, large ones as a stream from the disk.
type openPack struct {
	whole, stream *packfile.Packfile
}

func (s *store) reader() *reader { return &reader{s, map[*pack]*openPack{}} }

func (r *reader) close() {
	for _, p := range r.open {
		p.whole.Close() //nolint:errcheck // read only; the other view has the same file
	}
}

// object is one object, not read yet.
type object struct {
	kind plumbing.ObjectType
	size int64
	open func() (io.ReadCloser, error)
}

// small returns the content of an object of at most limit bytes.
func (o *object) small(limit int64) ([]byte, error) {
	if o.size > limit {
		return nil, fmt.Errorf("%w: a %s of %s", errBroken, o.kind, size(o.size))
	}
	f, err := o.open()
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	text := make([]byte, o.size)
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	return text, nil
}

// get finds an object; one that is not there is broken data, since the host sent what refers to it.
func (r *reader) get(h plumbing.Hash) (*object, error) {
	p, e := r.s.find(h)
	if e == nil {
		return nil, fmt.Errorf("%w: object %s is missing", errBroken, h)
	}
	return &object{e.kind, e.size, func() (io.ReadCloser, error) { return r.content(p, e) }}, nil
}

func (r *reader) content(p *pack, e *entry) (io.ReadCloser, error) {
	open, ok := r.open[p]
	large := r.s.large()
	if !ok {
		fs := osfs.New(r.s.path, osfs.WithBoundOS())
		f, err := fs.Open(p.name + ".pack")
		if err != nil {
			return nil, err
		}
		open = &openPack{
			packfile.NewPackfileWithCache(p.table, nil, f, r.s.bases, 0),
			packfile.NewPackfileWithCache(p.table, fs, f, r.s.bases, large),
		}
		r.open[p] = open
	}
	from := open.whole
	if e.size > large {
		from = open.stream
	}
	o, err := from.Get(e.hash)
	if err != nil {
		return nil, err
	}
	return o.Reader()
}

// large is the size of objects from which on they are not held in memory.
func (s *store) large() int64 { return s.j.req.Limits.MemoryBytes / 64 }
