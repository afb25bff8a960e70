package checkout

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"golang.org/x/sync/errgroup"

	"agentd/internal/errs"
)

// workers is how many goroutines resolve differences, and write files.
const workers = 2

// maxChain is git's own bound on differences to differences.
const maxChain = 4095

// deltas gives every object that is stored as a difference its hash, type and size. The differences form trees whose
// roots are whole objects; each tree is walked depth first, so that an object is built once, from one in memory.
type deltas struct {
	s       *store
	name    string
	entries []entry
	// first and next link the children of each entry; -1 is none.
	first, next []int32
	big         sync.Mutex // held while a large object is built
	done        atomic.Int64
	waits       bool // byHash was not empty at the start

	mu     sync.Mutex
	byHash map[plumbing.Hash][]int32 // children by the hash of what they are differences to, while that is not known
}

func (s *store) resolveDeltas(ctx context.Context, name string, entries []entry, report func(Progress)) error {
	d := &deltas{s: s, name: name, entries: entries, byHash: map[plumbing.Hash][]int32{}}
	total := d.link()
	p := Progress{Phase: Resolving, Total: total}
	report(p)
	if total == 0 {
		return nil
	}
	var at atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			f, err := s.dir.Open(name)
			if err != nil {
				return err
			}
			defer f.Close() //nolint:errcheck // read only
			b := &builder{deltas: d, f: f, scanner: packfile.NewScanner(f)}
			for {
				i := at.Add(1) - 1
				if i >= int64(len(entries)) {
					return nil
				}
				if entries[i].delta || d.first[i] < 0 {
					continue
				}
				if err := b.tree(ctx, int32(i)); err != nil {
					return err
				}
				report(Progress{Phase: Resolving, Total: total, Done: d.done.Load()})
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if left := total - d.done.Load(); left > 0 {
		return fmt.Errorf("%w: %d differences to objects that did not come", errBroken, left)
	}
	return nil
}

// link builds the trees and returns the number of differences.
func (d *deltas) link() int64 {
	d.first, d.next = make([]int32, len(d.entries)), make([]int32, len(d.entries))
	for i := range d.first {
		d.first[i], d.next[i] = -1, -1
	}
	var n int64
	for i := range d.entries {
		switch e := &d.entries[i]; {
		case !e.delta:
			continue
		case e.base >= 0:
			d.adopt(e.base, int32(i))
		default:
			d.byHash[e.hash] = append(d.byHash[e.hash], int32(i))
			d.waits = true
		}
		n++
	}
	for i := range d.entries {
		if e := &d.entries[i]; !e.delta {
			d.claim(int32(i), e.hash)
		}
	}
	return n
}

func (d *deltas) adopt(base, child int32) {
	d.entries[child].base = base
	d.next[child], d.first[base] = d.first[base], child
}

// claim makes those that wait for hash the children of at.
func (d *deltas) claim(at int32, hash plumbing.Hash) {
	if !d.waits {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, child := range d.byHash[hash] {
		d.adopt(at, child)
	}
	delete(d.byHash, hash)
}

// builder is one worker, with its own place in the file.
type builder struct {
	*deltas
	f       *os.File
	scanner *packfile.Scanner
	stack   []frame
	held    int64
}

// frame is an object whose children are being built. Its data may be dropped to save memory, and is built again then.
type frame struct {
	at, child int32
	data      []byte
}

func (b *builder) tree(ctx context.Context, root int32) error {
	b.push(root, nil)
	for len(b.stack) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		top := &b.stack[len(b.stack)-1]
		child := top.child
		if child < 0 {
			b.drop(top)
			b.stack = b.stack[:len(b.stack)-1]
			continue
		}
		if len(b.stack) > maxChain {
			return fmt.Errorf("%w: more than %d differences to differences", errBroken, maxChain)
		}
		data, err := b.child(top, child)
		if err != nil {
			return err
		}
		if top.child = b.next[child]; top.child < 0 {
			b.drop(top)
		}
		if b.first[child] >= 0 {
			b.push(child, data)
		}
	}
	return nil
}

// child builds one difference and settles what it is.
func (b *builder) child(top *frame, child int32) ([]byte, error) {
	base := &b.entries[top.at]
	if base.size > b.s.large() {
		b.big.Lock()
		defer b.big.Unlock()
	}
	if top.data == nil {
		data, err := b.rebuild(top.at)
		if err != nil {
			return nil, err
		}
		top.data = data
		b.hold(int64(len(data)))
	}
	data, err := b.patch(top.data, child)
	if err != nil {
		return nil, err
	}
	e := &b.entries[child]
	if e.kind = base.kind; e.kind != plumbing.BlobObject && len(data) > maxPlain {
		return nil, errs.New(errs.TooLarge, "a %s of %s, more than %s", e.kind, size(int64(len(data))), size(maxPlain))
	}
	e.hash, e.size = plumbing.ComputeHash(e.kind, data), int64(len(data))
	b.claim(child, e.hash)
	b.done.Add(1)
	return data, nil
}

// patch applies the difference at to base, after a look at how large the result will be.
func (b *builder) patch(base []byte, at int32) ([]byte, error) {
	delta, err := b.inflate(at)
	if err != nil {
		return nil, err
	}
	_, n := binary.Uvarint(delta)
	if n <= 0 {
		return nil, packfile.ErrInvalidDelta
	}
	result, n := binary.Uvarint(delta[n:])
	if most := b.s.maxDelta(); n <= 0 || result > uint64(most) {
		return nil, errs.New(errs.TooLarge, "an object of %s, stored as a difference, more than the %s that fit the memory",
			size(int64(result)), size(most)).WithHint("raise git.memory in the configuration")
	}
	if len(base) == 0 {
		return nil, packfile.ErrInvalidDelta
	}
	return packfile.PatchDelta(base, delta)
}

// inflate reads what the pack holds for an entry. Its size was checked when the pack was scanned.
func (b *builder) inflate(at int32) ([]byte, error) {
	h, err := b.scanner.SeekObjectHeader(b.entries[at].start)
	if err != nil {
		return nil, err
	}
	if most := b.s.maxDelta(); h.Length > most {
		return nil, errs.New(errs.TooLarge,
			"an object of %s that others are differences to, more than the %s that fit the memory", size(h.Length), size(most)).
			WithHint("raise git.memory in the configuration")
	}
	buf := bytes.NewBuffer(make([]byte, 0, h.Length+bytes.MinRead))
	if _, _, err := b.scanner.NextObject(buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// rebuild builds an object from its root.
func (b *builder) rebuild(at int32) ([]byte, error) {
	var chain []int32
	for ; b.entries[at].base >= 0; at = b.entries[at].base {
		chain = append(chain, at)
	}
	data, err := b.inflate(at)
	for i := len(chain) - 1; i >= 0 && err == nil; i-- {
		data, err = b.patch(data, chain[i])
	}
	return data, err
}

func (b *builder) push(at int32, data []byte) {
	b.stack = append(b.stack, frame{at, b.first[at], data})
	b.hold(int64(len(data)))
}

// hold counts memory and drops what will be needed last until the rest fits.
func (b *builder) hold(n int64) {
	b.held += n
	for i := 0; i < len(b.stack)-1 && b.held > b.s.j.req.Limits.MemoryBytes/10; i++ {
		b.drop(&b.stack[i])
	}
}

func (b *builder) drop(f *frame) {
	b.held -= int64(len(f.data))
	f.data = nil
}
