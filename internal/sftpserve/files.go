package sftpserve

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Bits of an open.
const (
	openRead   = 1
	openWrite  = 2
	openAppend = 4
	openCreate = 8
	openTrunc  = 16
	openExcl   = 32
)

func (s *server) open(name string, bits uint32, a attrs) ([]byte, error) {
	flags := os.O_RDONLY
	switch {
	case bits&openRead != 0 && bits&openWrite != 0:
		flags = os.O_RDWR
	case bits&openWrite != 0:
		flags = os.O_WRONLY
	}
	for bit, flag := range map[uint32]int{
		openAppend: os.O_APPEND, openCreate: os.O_CREATE, openTrunc: os.O_TRUNC, openExcl: os.O_EXCL,
	} {
		if bits&bit != 0 {
			flags |= flag
		}
	}
	mode := fs.FileMode(0o666)
	if a.mode != nil {
		mode = fs.FileMode(*a.mode) & fs.ModePerm
	}
	// A pipe that nobody writes to must not stop the client's other requests.
	f, err := os.OpenFile(name, flags|syscall.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	return s.enter(&handle{f: f, appends: flags&os.O_APPEND != 0})
}

func (s *server) opendir(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return s.enter(&handle{f: f, dir: true})
}

func (s *server) read(name string, offset uint64, n uint32) ([]byte, error) {
	h, err := s.handle(name, false)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 5+min(n, maxRead))
	got, err := h.f.ReadAt(buf[5:], int64(offset)) //nolint:gosec // a negative one is the kernel's to refuse
	if got == 0 && err != nil {
		return nil, err
	}
	return appendString([]byte{typeData}, string(buf[5:5+got])), nil
}

func (s *server) write(name string, offset uint64, data string) error {
	h, err := s.handle(name, false)
	if err != nil {
		return err
	}
	if h.appends {
		_, err = h.f.WriteString(data)
		return err
	}
	_, err = h.f.WriteAt([]byte(data), int64(offset)) //nolint:gosec // as above
	return err
}

func (s *server) fstat(name string) ([]byte, error) {
	h := s.handles[name]
	if h == nil {
		return nil, errors.New("no such handle")
	}
	info, err := h.f.Stat()
	if err != nil {
		return nil, err
	}
	return appendAttrs([]byte{typeAttrs}, info), nil
}

func (s *server) fsetstat(name string, a attrs) error {
	h := s.handles[name]
	if h == nil {
		return errors.New("no such handle")
	}
	var all error
	if a.size != nil {
		all = h.f.Truncate(int64(*a.size)) //nolint:gosec // as above
	}
	if a.owner {
		all = errors.Join(all, h.f.Chown(int(a.uid), int(a.gid)))
	}
	if a.mode != nil {
		all = errors.Join(all, h.f.Chmod(fs.FileMode(*a.mode)&fs.ModePerm))
	}
	if a.time != nil {
		all = errors.Join(all, os.Chtimes(h.f.Name(), *a.access, *a.time))
	}
	return all
}

// setstat changes the file of a name.
func setstat(name string, a attrs) error {
	var all error
	if a.size != nil {
		all = os.Truncate(name, int64(*a.size)) //nolint:gosec // as above
	}
	if a.owner {
		all = errors.Join(all, os.Chown(name, int(a.uid), int(a.gid)))
	}
	if a.mode != nil {
		all = errors.Join(all, os.Chmod(name, fs.FileMode(*a.mode)&fs.ModePerm))
	}
	if a.time != nil {
		all = errors.Join(all, os.Chtimes(name, *a.access, *a.time))
	}
	return all
}

// readdir answers with a part of a directory, and with the end when all was told.
func (s *server) readdir(name string) ([]byte, error) {
	h, err := s.handle(name, true)
	if err != nil {
		return nil, err
	}
	const part = 100
	list, err := h.f.ReadDir(part)
	if len(list) == 0 {
		if err == nil {
			err = io.EOF
		}
		return nil, err
	}
	var names []byte
	count := uint32(0)
	for _, entry := range list {
		info, err := entry.Info()
		if err != nil {
			continue // it is gone
		}
		names = appendName(names, entry.Name(), longName(entry.Name(), info))
		names = appendAttrs(names, info)
		count++
	}
	return append(nameCount(count), names...), nil
}

func nameCount(n uint32) []byte {
	return []byte{typeName, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func appendName(dst []byte, name, long string) []byte {
	return appendString(appendString(dst, name), long)
}

// oneName is the answer with a path.
func oneName(name string) []byte {
	return append(appendName(nameCount(1), name, name), 0, 0, 0, 0)
}

// named performs the requests that are about a name.
func named(kind byte, p *packet) ([]byte, error) {
	if kind == typeExtended {
		return extended(p)
	}
	name := p.string()
	switch kind {
	case typeLstat, typeStat:
		look := os.Stat
		if kind == typeLstat {
			look = os.Lstat
		}
		info, err := look(name)
		if err != nil {
			return nil, err
		}
		return appendAttrs([]byte{typeAttrs}, info), nil
	case typeSetstat:
		a := p.attrs()
		if p.bad {
			return nil, errMalformed
		}
		return nil, setstat(name, a)
	case typeRemove:
		return nil, syscall.Unlink(name)
	case typeMkdir:
		mode, a := fs.FileMode(0o777), p.attrs()
		if p.bad {
			return nil, errMalformed
		}
		if a.mode != nil {
			mode = fs.FileMode(*a.mode) & fs.ModePerm
		}
		return nil, os.Mkdir(name, mode)
	case typeRmdir:
		return nil, syscall.Rmdir(name)
	case typeRealpath:
		full, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		if real, err := filepath.EvalSymlinks(full); err == nil {
			full = real
		}
		return oneName(full), nil
	case typeReadlink:
		target, err := os.Readlink(name)
		if err != nil {
			return nil, err
		}
		return oneName(target), nil
	case typeSymlink: // OpenSSH has the target first, unlike the draft, and so have all others
		return nil, os.Symlink(name, p.string())
	case typeRename:
		to := p.string()
		if _, err := os.Lstat(to); err == nil {
			return nil, fs.ErrExist
		}
		return nil, os.Rename(name, to)
	}
	return nil, errUnsupported
}

// extended performs the extensions that the answer to init has named.
func extended(p *packet) ([]byte, error) {
	switch p.string() {
	case "posix-rename@openssh.com":
		return nil, os.Rename(p.string(), p.string())
	case "hardlink@openssh.com":
		return nil, os.Link(p.string(), p.string())
	case "fsync@openssh.com":
		syscall.Sync()
		return nil, nil
	}
	return nil, errUnsupported
}
