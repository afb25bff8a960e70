package checkout

import (
	"bytes"
	"cmp"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// entry is an object in a pack. Repositories have millions: 48 bytes each.
type entry struct {
	hash plumbing.Hash
	kind plumbing.ObjectType // what it is, not how it is stored
	// delta is true if it is stored as a difference to another object.
	delta bool
	crc   uint32
	base  int32 // index of the other object by offset; -1 for none, or while it is not known
	start int64 // offset in the pack
	size  int64 // of the object; while it is not resolved, of the difference
}

// table is a pack's entries, by hash once the pack is complete. It is the go-git index of that pack, which several
// readers share: go-git's own keeps two maps more.
type table struct {
	entries  []entry  // by hash
	byOffset []uint32 // positions in entries
	size     int64    // of the pack
}

var _ idxfile.Index = (*table)(nil)

// newTable takes over entries, which are in the order of the pack.
func newTable(entries []entry, size int64) *table {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	t := &table{entries: entries, byOffset: make([]uint32, len(entries)), size: size}
	for i := range t.byOffset {
		t.byOffset[i] = uint32(i)
	}
	slices.SortFunc(t.byOffset, func(a, b uint32) int { return cmp.Compare(entries[a].start, entries[b].start) })
	return t
}

func (t *table) find(h plumbing.Hash) *entry {
	i, ok := slices.BinarySearchFunc(t.entries, h, func(e entry, h plumbing.Hash) int {
		return bytes.Compare(e.hash[:], h[:])
	})
	if !ok {
		return nil
	}
	return &t.entries[i]
}

// end is where in the pack what follows e begins; the last object is followed by the pack's checksum.
func (t *table) end(e *entry) int64 {
	if i, ok := t.position(e.start); ok && i+1 < len(t.byOffset) {
		return t.entries[t.byOffset[i+1]].start
	}
	return t.size - int64(len(e.hash))
}

func (t *table) at(offset int64) *entry {
	i, ok := t.position(offset)
	if !ok {
		return nil
	}
	return &t.entries[t.byOffset[i]]
}

func (t *table) position(offset int64) (int, bool) {
	return slices.BinarySearchFunc(t.byOffset, offset, func(i uint32, o int64) int {
		switch s := t.entries[i].start; {
		case s < o:
			return -1
		case s > o:
			return 1
		}
		return 0
	})
}

// Contains reports whether the pack has h.
func (t *table) Contains(h plumbing.Hash) (bool, error) { return t.find(h) != nil, nil }

// FindOffset returns where h is in the pack.
func (t *table) FindOffset(h plumbing.Hash) (int64, error) {
	if e := t.find(h); e != nil {
		return e.start, nil
	}
	return 0, plumbing.ErrObjectNotFound
}

// FindCRC32 returns the checksum of h as it is stored.
func (t *table) FindCRC32(h plumbing.Hash) (uint32, error) {
	if e := t.find(h); e != nil {
		return e.crc, nil
	}
	return 0, plumbing.ErrObjectNotFound
}

// FindHash returns what is at an offset.
func (t *table) FindHash(offset int64) (plumbing.Hash, error) {
	if e := t.at(offset); e != nil {
		return e.hash, nil
	}
	return plumbing.ZeroHash, plumbing.ErrObjectNotFound
}

// Count returns the number of objects.
func (t *table) Count() (int64, error) { return int64(len(t.entries)), nil }

// Entries walks the objects by hash.
func (t *table) Entries() (idxfile.EntryIter, error) {
	order := make([]uint32, len(t.entries))
	for i := range order {
		order[i] = uint32(i)
	}
	return &walk{t, order}, nil
}

// EntriesByOffset walks the objects in the order of the pack.
func (t *table) EntriesByOffset() (idxfile.EntryIter, error) { return &walk{t, t.byOffset}, nil }

type walk struct {
	t    *table
	left []uint32
}

// Next returns io.EOF after the last one.
func (w *walk) Next() (*idxfile.Entry, error) {
	if len(w.left) == 0 {
		return nil, io.EOF
	}
	e := w.t.entries[w.left[0]]
	w.left = w.left[1:]
	return &idxfile.Entry{Hash: e.hash, CRC32: e.crc, Offset: uint64(e.start)}, nil
}

// Close does nothing.
func (w *walk) Close() error { return nil }
