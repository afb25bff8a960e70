package checkout

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"agentd/internal/errs"
)

// receive stores the pack that comes from data, and its index. Every size is checked before memory or disk is spent on
// it: a pack of a kilobyte can hold an object of many gigabytes.
func (s *store) receive(ctx context.Context, data io.Reader, w *watch, report func(Progress)) (err error) {
	const name = "tmp_pack"
	f, err := s.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			s.dir.Remove(name) //nolint:errcheck // the whole directory is removed after an error
		}
	}()
	in := &intake{ctx: ctx, r: bufio.NewReaderSize(data, 128<<10), f: bufio.NewWriterSize(f, 256<<10), j: s.j}
	entries, sum, err := s.scan(in, report)
	if err != nil {
		return err
	}
	// Read to the end of the stream, where an error of the host may stand.
	if err := in.drain(); err != nil {
		return err
	}
	w.rest()
	if err := in.f.Flush(); err != nil {
		return err
	}
	if err := s.resolveDeltas(ctx, name, entries, report); err != nil {
		return err
	}
	t, final := newTable(entries, in.n), "pack-"+sum.String()
	// In the cache the very same pack may have come before, for another depth.
	s.dir.Remove(final + ".idx") //nolint:errcheck // usually there is none
	if err := s.writeIndex(final+".idx", t, sum); err != nil {
		return err
	}
	if err := s.dir.Rename(name, final+".pack"); err != nil {
		return err
	}
	s.packs = append(s.packs, &pack{final, t})
	return nil
}

// intake copies what is read to the file, and counts it.
type intake struct {
	ctx context.Context
	r   *bufio.Reader
	f   *bufio.Writer
	j   *job
	n   int64
	eof bool
}

// drain reads what is left. A stream that has ended is not asked again: it would wait for the host to hang up.
func (in *intake) drain() error {
	if in.eof {
		return nil
	}
	_, err := io.Copy(io.Discard, in.r)
	return err
}

// Read reads up to a budget.
func (in *intake) Read(p []byte) (int, error) {
	if in.ctx.Err() != nil {
		return 0, context.Cause(in.ctx)
	}
	if in.eof {
		return 0, io.EOF
	}
	n, err := in.r.Read(p)
	in.eof = errors.Is(err, io.EOF)
	in.n += int64(n)
	in.j.received.Add(int64(n))
	if budget := in.j.takeBytes(int64(n)); budget != nil {
		return n, budget
	}
	if _, werr := in.f.Write(p[:n]); werr != nil {
		return n, werr
	}
	return n, err
}

// maxPlain bounds commits, trees and tags, as against blobs: they are always read whole.
const maxPlain = 64 << 20

// scan reads the pack once, front to back. What is no difference gets its hash here.
func (s *store) scan(in *intake, report func(Progress)) ([]entry, plumbing.Hash, error) {
	scanner := packfile.NewScanner(in)
	_, count, err := scanner.Header()
	if err != nil {
		return nil, plumbing.ZeroHash, err
	}
	if most := s.j.req.Limits.MemoryBytes / 4 / 64; int64(count) > most {
		return nil, plumbing.ZeroHash, errs.New(errs.TooLarge, "%d objects, more than the %d that fit the memory", count, most).
			WithHint("raise git.memory in the configuration, or fetch less (x-agentd.git.depth)")
	}
	p := Progress{Phase: Receiving, Total: int64(count)}
	report(p)
	entries := make([]entry, 0, min(count, 1<<16))
	for range count {
		h, err := scanner.NextObjectHeader()
		if err != nil {
			return nil, plumbing.ZeroHash, err
		}
		e, err := s.admit(h)
		if err != nil {
			return nil, plumbing.ZeroHash, err
		}
		var hasher plumbing.Hasher
		to := io.Discard
		if !e.delta {
			hasher = plumbing.NewHasher(h.Type, h.Length)
			to = hasher
		}
		n, crc, err := scanner.NextObject(to)
		if err != nil {
			return nil, plumbing.ZeroHash, err
		}
		if n != h.Length {
			return nil, plumbing.ZeroHash, fmt.Errorf("%w: an object of %d bytes that should have %d", errBroken, n, h.Length)
		}
		e.crc = crc
		if e.delta {
			if e.base, err = s.baseOf(h, entries); err != nil {
				return nil, plumbing.ZeroHash, err
			}
			e.hash = h.Reference // of the base, until it is resolved
		} else {
			e.hash = hasher.Sum()
		}
		entries = append(entries, e)
		p.Done, p.Bytes = p.Done+1, in.n
		report(p)
	}
	sum, err := scanner.Checksum()
	return entries, sum, err
}

// admit checks what an object's header claims.
func (s *store) admit(h *packfile.ObjectHeader) (entry, error) {
	e := entry{kind: h.Type, base: -1, start: h.Offset, size: h.Length}
	limit := s.j.req.Limits.Bytes
	switch h.Type {
	case plumbing.BlobObject:
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.TagObject:
		limit = min(limit, maxPlain)
	case plumbing.OFSDeltaObject, plumbing.REFDeltaObject:
		e.delta = true
		limit = s.maxDelta()
	default:
		return e, fmt.Errorf("%w: an object of type %d", errBroken, h.Type)
	}
	if h.Length > limit {
		return e, errs.New(errs.TooLarge, "an object of %s, more than %s", size(h.Length), size(limit))
	}
	return e, nil
}

// maxDelta bounds objects that are stored as differences, and what they are differences to: both are held in memory.
func (s *store) maxDelta() int64 { return s.j.req.Limits.MemoryBytes / 6 }

// baseOf finds what an object of the kind "difference by offset" is a difference to: it comes earlier in the pack.
func (s *store) baseOf(h *packfile.ObjectHeader, entries []entry) (int32, error) {
	if h.Type == plumbing.REFDeltaObject {
		return -1, nil
	}
	lo, hi := 0, len(entries)
	for lo < hi {
		if mid := (lo + hi) / 2; entries[mid].start < h.OffsetReference {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(entries) || entries[lo].start != h.OffsetReference {
		return -1, fmt.Errorf("%w: a difference to nothing", errBroken)
	}
	return int32(lo), nil
}
