package checkout

import (
	"bufio"
	"crypto"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// writeIndex writes a pack's index in git's format, version 2 (gitformat-pack(5)): names, checksums, offsets, and a
// second table for offsets of 2 GiB and more.
func (s *store) writeIndex(name string, t *table, sum plumbing.Hash) (err error) {
	f, err := s.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := s.j.takeBytes(int64(8 + 4*256 + 28*len(t.entries) + 40)); err != nil {
		return err
	}
	hash := githash.New(crypto.SHA1)
	buffer := bufio.NewWriterSize(f, 64<<10)
	w := io.MultiWriter(buffer, hash)
	put := func(v uint32) { w.Write(binary.BigEndian.AppendUint32(nil, v)) } //nolint:errcheck // Flush tells
	put(0xff744f63)
	put(2)
	at := 0
	for first := range 256 {
		for at < len(t.entries) && int(t.entries[at].hash[0]) <= first {
			at++
		}
		put(uint32(at))
	}
	for i := range t.entries {
		w.Write(t.entries[i].hash[:]) //nolint:errcheck // Flush tells
	}
	for i := range t.entries {
		put(t.entries[i].crc)
	}
	var far []byte
	for i := range t.entries {
		if o := t.entries[i].start; o <= math.MaxInt32 {
			put(uint32(o))
		} else {
			put(1<<31 | uint32(len(far)/8))
			far = binary.BigEndian.AppendUint64(far, uint64(o))
		}
	}
	w.Write(far)                //nolint:errcheck // Flush tells
	w.Write(sum[:])             //nolint:errcheck // Flush tells
	buffer.Write(hash.Sum(nil)) //nolint:errcheck // Flush tells
	return buffer.Flush()
}
