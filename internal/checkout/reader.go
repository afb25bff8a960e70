package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// reader reads objects; each goroutine has its own.
type reader struct {
	s       *store
	open    map[*pack]*openPack
	inflate inflater
}

// openPack is a pack's file, and go-git's view of it, twice: small objects are read whole, large ones as a stream.
type openPack struct {
	file          *os.File
	whole, stream *packfile.Packfile
}

func (s *store) reader() *reader { return &reader{s: s, open: map[*pack]*openPack{}} }

func (r *reader) close() {
	for _, p := range r.open {
		p.file.Close()  //nolint:errcheck // read only
		p.whole.Close() //nolint:errcheck // read only; the other view has the same file
	}
}

// object is one object, not read yet. What open returns is valid until the reader's next object is opened.
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
	open, err := r.pack(p)
	if err != nil {
		return nil, err
	}
	from := open.whole
	switch {
	case e.size > r.s.large():
		from = open.stream
	case !e.delta:
		text, err := r.inflate.read(open.file, p, e)
		return io.NopCloser(bytes.NewReader(text)), err
	}
	o, err := from.Get(e.hash)
	if err != nil {
		return nil, err
	}
	return o.Reader()
}

func (r *reader) pack(p *pack) (*openPack, error) {
	if open, ok := r.open[p]; ok {
		return open, nil
	}
	file, err := r.s.dir.Open(p.name + ".pack")
	if err != nil {
		return nil, err
	}
	fs := osfs.New(r.s.path, osfs.WithBoundOS())
	f, err := fs.Open(p.name + ".pack")
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	open := &openPack{
		file,
		packfile.NewPackfileWithCache(p.table, nil, f, r.s.bases, 0),
		packfile.NewPackfileWithCache(p.table, fs, f, r.s.bases, r.s.large()),
	}
	r.open[p] = open
	return open, nil
}

// large is the size of objects from which on they are not held in memory.
func (s *store) large() int64 { return s.j.req.Limits.MemoryBytes / 64 }
