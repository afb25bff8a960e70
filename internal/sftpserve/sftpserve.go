// Package sftpserve is an SFTP server, version 3 as OpenSSH speaks it, with the rights of its process: agentd-init runs it
// in a session, where no image has to have one. It needs the standard library only, as all that runs there.
package sftpserve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// Types of packets: draft-ietf-secsh-filexfer-02.
const (
	typeInit     = 1
	typeVersion  = 2
	typeOpen     = 3
	typeClose    = 4
	typeRead     = 5
	typeWrite    = 6
	typeLstat    = 7
	typeFstat    = 8
	typeSetstat  = 9
	typeFsetstat = 10
	typeOpendir  = 11
	typeReaddir  = 12
	typeRemove   = 13
	typeMkdir    = 14
	typeRmdir    = 15
	typeRealpath = 16
	typeStat     = 17
	typeRename   = 18
	typeReadlink = 19
	typeSymlink  = 20
	typeExtended = 200

	typeStatus = 101
	typeHandle = 102
	typeData   = 103
	typeName   = 104
	typeAttrs  = 105
)

const (
	// version is the one that OpenSSH has.
	version = 3
	// maxPacket bounds what a client sends; OpenSSH's own bound.
	maxPacket = 256 << 10
	// maxRead bounds what one read gives.
	maxRead = maxPacket - 1024
	// maxHandles bounds the open files of a client.
	maxHandles = 512
)

var errMalformed = errors.New("malformed packet") //nolint:gochecknoglobals // a constant in all but the language

// handle is an open file or directory.
type handle struct {
	f       *os.File
	dir     bool
	appends bool
}

type server struct {
	r       io.Reader
	w       io.Writer
	handles map[string]*handle
	next    int
}

// Serve serves the client at the other end of r and w until it leaves. Relative paths are below the working directory.
func Serve(r io.Reader, w io.Writer) error {
	s := &server{r: r, w: w, handles: map[string]*handle{}}
	defer func() {
		for _, h := range s.handles {
			h.f.Close() //nolint:errcheck // the client did not wait for its end
		}
	}()
	for {
		p, err := s.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.send(s.serve(p)); err != nil {
			return fmt.Errorf("sftp: answer: %w", err)
		}
	}
}

// receive reads one packet; the first byte is its type.
func (s *server) receive() (*packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxPacket {
		return nil, fmt.Errorf("sftp: packet of %d bytes: %w", n, errMalformed)
	}
	p := &packet{rest: make([]byte, n)}
	_, err := io.ReadFull(s.r, p.rest)
	return p, err
}

func (s *server) send(body []byte) error {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, len(body)+4), uint32(len(body))) //nolint:gosec // bounded
	_, err := s.w.Write(append(out, body...))
	return err
}

// serve performs one request and returns the answer.
func (s *server) serve(p *packet) []byte {
	kind := p.byte()
	if kind == typeInit {
		out := binary.BigEndian.AppendUint32([]byte{typeVersion}, version)
		for _, name := range []string{"posix-rename@openssh.com", "hardlink@openssh.com", "fsync@openssh.com"} {
			out = appendString(appendString(out, name), "1")
		}
		return out
	}
	id := p.uint32()
	answer, err := s.perform(kind, p)
	if p.bad {
		err = errMalformed
	}
	if err != nil || answer == nil {
		return status(id, err)
	}
	out := binary.BigEndian.AppendUint32([]byte{answer[0]}, id)
	return append(out, answer[1:]...)
}

// perform performs one request; no answer and no error is the status ok. One that lacks fields is not performed: what is
// missing reads as zero, and would empty a file.
func (s *server) perform(kind byte, p *packet) ([]byte, error) {
	switch kind {
	case typeOpen:
		name, bits, a := p.string(), p.uint32(), p.attrs()
		if p.bad {
			return nil, errMalformed
		}
		return s.open(name, bits, a)
	case typeOpendir:
		return s.opendir(p.string())
	case typeClose:
		return nil, s.close(p.string())
	case typeRead:
		return s.read(p.string(), p.uint64(), p.uint32())
	case typeWrite:
		name, offset, data := p.string(), p.uint64(), p.string()
		if p.bad {
			return nil, errMalformed
		}
		return nil, s.write(name, offset, data)
	case typeFstat:
		return s.fstat(p.string())
	case typeFsetstat:
		name, a := p.string(), p.attrs()
		if p.bad {
			return nil, errMalformed
		}
		return nil, s.fsetstat(name, a)
	case typeReaddir:
		return s.readdir(p.string())
	}
	return named(kind, p)
}

func (s *server) enter(h *handle) ([]byte, error) {
	if len(s.handles) >= maxHandles {
		h.f.Close() //nolint:errcheck // nothing was written
		return nil, errors.New("too many open files")
	}
	s.next++
	name := strconv.Itoa(s.next)
	s.handles[name] = h
	return appendString([]byte{typeHandle}, name), nil
}

func (s *server) handle(name string, dir bool) (*handle, error) {
	h := s.handles[name]
	if h == nil || h.dir != dir {
		return nil, errors.New("no such handle")
	}
	return h, nil
}

func (s *server) close(name string) error {
	h := s.handles[name]
	if h == nil {
		return errors.New("no such handle")
	}
	delete(s.handles, name)
	return h.f.Close()
}
