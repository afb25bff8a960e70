package checkout

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"os"
)

// inflater reads objects that are stored whole straight from the pack: most are, of a fresh clone, and go-git's way to
// them hashes each again and keeps it. Their hashes were checked when the pack came.
type inflater struct {
	packed  []byte
	flate   io.ReadCloser
	content []byte
}

// read returns the content of e, valid until the next call.
func (z *inflater) read(f *os.File, p *pack, e *entry) ([]byte, error) {
	z.packed = sized(z.packed, p.end(e)-e.start)
	if _, err := f.ReadAt(z.packed, e.start); err != nil {
		return nil, err
	}
	// The header says type and size, seven bits a byte, which are known.
	at := 0
	for at < len(z.packed) && z.packed[at]&0x80 != 0 {
		at++
	}
	from := bytes.NewReader(z.packed[min(at+1, len(z.packed)):])
	if z.flate == nil {
		r, err := zlib.NewReader(from)
		if err != nil {
			return nil, err
		}
		z.flate = r
	} else if err := z.flate.(zlib.Resetter).Reset(from, nil); err != nil {
		return nil, err
	}
	z.content = sized(z.content, e.size)
	if _, err := io.ReadFull(z.flate, z.content); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	return z.content, nil
}

func sized(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n, n+n/4)
	}
	return b[:n]
}
