package checkout

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// tableSuffix is that of the file with a pack's entries: what of them git's index does not say would have to be read from
// the whole pack again.
const tableSuffix = ".table"

// entryBytes is the size of an entry in the file: hash, kind, whether it is a difference, checksum, offset, size.
const entryBytes = 20 + 1 + 1 + 4 + 8 + 8

// maxObjects is how many objects fit the memory.
func (j *job) maxObjects() int64 { return j.req.Limits.MemoryBytes / 4 / 64 }

// writeTable writes the entries of a pack, and the checksum of that.
func writeTable(dir *os.Root, p *pack) error {
	buf := make([]byte, 8, 8+len(p.entries)*entryBytes+sha256.Size)
	binary.BigEndian.PutUint64(buf, uint64(p.size))
	for i := range p.entries {
		e := &p.entries[i]
		buf = append(buf, e.hash[:]...)
		delta := byte(0)
		if e.delta {
			delta = 1
		}
		buf = append(buf, byte(e.kind), delta)
		buf = binary.BigEndian.AppendUint32(buf, e.crc)
		buf = binary.BigEndian.AppendUint64(buf, uint64(e.start))
		buf = binary.BigEndian.AppendUint64(buf, uint64(e.size))
	}
	sum := sha256.Sum256(buf)
	return dir.WriteFile(p.name+tableSuffix, append(buf, sum[:]...), 0o600)
}

// readTable reads the entries of a pack, of which there must be at most most.
func readTable(dir *os.Root, name string, most int64) (*table, error) {
	info, err := dir.Stat(name + tableSuffix)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	count := (info.Size() - 8 - sha256.Size) / entryBytes
	if count < 0 || count > most || info.Size() != 8+sha256.Size+count*entryBytes {
		return nil, fmt.Errorf("%w: a table of %d bytes", errCache, info.Size())
	}
	f, err := dir.Open(name + tableSuffix)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	defer f.Close() //nolint:errcheck // read only
	hash := sha256.New()
	in := bufio.NewReaderSize(f, 64<<10)
	read := func(n int) ([]byte, error) {
		b, err := in.Peek(n)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCache, err)
		}
		hash.Write(b)
		_, err = in.Discard(n)
		return b, err
	}
	head, err := read(8)
	if err != nil {
		return nil, err
	}
	size, entries := int64(binary.BigEndian.Uint64(head)), make([]entry, count)
	for i := range entries {
		b, err := read(entryBytes)
		if err != nil {
			return nil, err
		}
		e := &entries[i]
		copy(e.hash[:], b)
		e.kind, e.delta, e.base = plumbing.ObjectType(int8(b[20])), b[21] == 1, -1
		e.crc = binary.BigEndian.Uint32(b[22:])
		e.start, e.size = int64(binary.BigEndian.Uint64(b[26:])), int64(binary.BigEndian.Uint64(b[34:]))
	}
	if sum, err := in.Peek(sha256.Size); err != nil || !bytes.Equal(sum, hash.Sum(nil)) {
		return nil, fmt.Errorf("%w: its table does not match its checksum", errCache)
	}
	return newTable(entries, size), nil
}
