package sftpserve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// packet reads a request's fields one by one; bad is set at the first that is not there.
type packet struct {
	rest []byte
	bad  bool
}

func (p *packet) take(n int) []byte {
	if n > len(p.rest) {
		p.bad = true
		return make([]byte, min(n, 8))
	}
	part := p.rest[:n]
	p.rest = p.rest[n:]
	return part
}

func (p *packet) byte() byte     { return p.take(1)[0] }
func (p *packet) uint32() uint32 { return binary.BigEndian.Uint32(p.take(4)) }
func (p *packet) uint64() uint64 { return binary.BigEndian.Uint64(p.take(8)) }

func (p *packet) string() string {
	n := p.uint32()
	if p.bad || n > uint32(len(p.rest)) { //nolint:gosec // at most maxPacket
		p.bad = true
		return ""
	}
	return string(p.take(int(n)))
}

// attrs are the attributes of a file that were sent; nil is one that was not.
type attrs struct {
	size         *uint64
	mode         *uint32
	owner        bool
	uid, gid     uint32
	access, time *time.Time
}

// Bits of the attributes.
const (
	attrSize     = 1
	attrOwner    = 2
	attrMode     = 4
	attrTimes    = 8
	attrExtended = 1 << 31
)

func (p *packet) attrs() attrs {
	var a attrs
	flags := p.uint32()
	if flags&attrSize != 0 {
		n := p.uint64()
		a.size = &n
	}
	if flags&attrOwner != 0 {
		a.owner, a.uid, a.gid = true, p.uint32(), p.uint32()
	}
	if flags&attrMode != 0 {
		n := p.uint32()
		a.mode = &n
	}
	if flags&attrTimes != 0 {
		at, mt := time.Unix(int64(p.uint32()), 0), time.Unix(int64(p.uint32()), 0)
		a.access, a.time = &at, &mt
	}
	if flags&attrExtended != 0 {
		for n := p.uint32(); n > 0 && !p.bad; n-- {
			p.string()
			p.string()
		}
	}
	return a
}

func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...) //nolint:gosec // names and errors are short
}

// appendAttrs appends what info says.
func appendAttrs(dst []byte, info fs.FileInfo) []byte {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return binary.BigEndian.AppendUint32(dst, 0)
	}
	dst = binary.BigEndian.AppendUint32(dst, attrSize|attrOwner|attrMode|attrTimes)
	dst = binary.BigEndian.AppendUint64(dst, uint64(st.Size))   //nolint:gosec // it is not negative
	times := []uint32{uint32(st.Atim.Sec), uint32(st.Mtim.Sec)} //nolint:gosec // version 3 has no more bits
	for _, n := range append([]uint32{st.Uid, st.Gid, st.Mode}, times...) {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	return dst
}

// Codes of a status.
const (
	codeOK          = 0
	codeEOF         = 1
	codeNoSuchFile  = 2
	codePermission  = 3
	codeFailure     = 4
	codeBad         = 5
	codeUnsupported = 8
)

var errUnsupported = errors.New("not supported") //nolint:gochecknoglobals // a constant in all but the language

// status is the answer that has no content.
func status(id uint32, err error) []byte {
	code, text := uint32(codeOK), "ok"
	if err != nil {
		code, text = codeFailure, cause(err)
		switch {
		case errors.Is(err, io.EOF):
			code = codeEOF
		case errors.Is(err, fs.ErrNotExist):
			code = codeNoSuchFile
		case errors.Is(err, fs.ErrPermission):
			code = codePermission
		case errors.Is(err, errMalformed):
			code = codeBad
		case errors.Is(err, errUnsupported):
			code = codeUnsupported
		}
	}
	out := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{typeStatus}, id), code)
	return appendString(appendString(out, text), "")
}

// cause is an error's text without the path, which the client knows.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// longName is a line as ls -l has it, which clients show.
func longName(name string, info fs.FileInfo) string {
	var links uint64
	var uid, gid uint32
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		links, uid, gid = uint64(st.Nlink), st.Uid, st.Gid //nolint:unconvert // 32 bits on other architectures
	}
	return fmt.Sprintf("%s %4d %-8d %-8d %8d %s %s", info.Mode(), links, uid, gid, info.Size(),
		info.ModTime().UTC().Format("Jan _2 15:04"), name)
}
