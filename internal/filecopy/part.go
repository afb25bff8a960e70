package filecopy

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// keepPart is how much of a file must have come before a broken copy leaves it behind, to be gone on with.
const keepPart = 1 << 20

// partName is what a file is called until all of it is there. It has the state of the source in it: what is left of
// another one is never gone on with.
func partName(name string, e Entry) string {
	const most = 200 // with the rest, within the 255 bytes of a name
	if len(name) > most {
		name = name[:most]
	}
	return "." + name + "." + e.identity() + ".ctl-part"
}

// Create begins a file.
func (d *Disk) Create(e Entry, resume bool) (Body, int64, error) {
	dir, name, err := d.where(e)
	if err != nil {
		return nil, 0, err
	}
	if dir == nil { // below a directory that failed, which was told
		return nothing{}, skipped(resume), nil
	}
	info, err := dir.Lstat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, 0, errors.New("there is a directory of that name")
	case err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 && len(e.Path) == 0:
		return d.device(dir, name)
	case err == nil && resume && info.Mode().IsRegular() && info.Size() == e.Size && info.ModTime().UnixNano() == e.Time:
		return nil, -1, nil
	}
	return newPart(dir, name, e, resume)
}

func skipped(resume bool) int64 {
	if resume {
		return -1
	}
	return 0
}

// device writes to what is no file, such as /dev/stdout, because the person has named it.
func (d *Disk) device(dir *os.Root, name string) (Body, int64, error) {
	f, err := d.place.OpenFile(path.Join(dir.Name(), name), os.O_WRONLY, 0)
	if err != nil {
		return nil, 0, err
	}
	return Stream{f}, 0, nil
}

// newPart makes the file under its first name, or goes on with the one that is there.
func newPart(dir *os.Root, name string, e Entry, resume bool) (Body, int64, error) {
	p := &part{dir: dir, name: name, part: partName(name, e), entry: e}
	if resume && e.Size >= 0 {
		info, err := dir.Lstat(p.part)
		if err == nil && info.Mode().IsRegular() && info.Size() <= e.Size {
			if p.f, err = dir.OpenFile(p.part, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err != nil {
				return nil, 0, err
			}
			p.at = info.Size()
			_, err := p.f.Seek(p.at, io.SeekStart)
			return p, p.at, err
		}
	}
	if err := dir.Remove(p.part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	var err error
	p.f, err = dir.OpenFile(p.part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, 0, err
	}
	return p, 0, nil
}

// part is a file that is not all there.
type part struct {
	dir        *os.Root
	name, part string
	entry      Entry
	f          *os.File
	at         int64
}

// Write writes the next bytes.
func (p *part) Write(data []byte) (int, error) {
	n, err := p.f.Write(data)
	p.at += int64(n)
	return n, err
}

// Hole leaves out bytes: the file has none there.
func (p *part) Hole(n int64) error {
	at, err := p.f.Seek(n, io.SeekCurrent)
	if err == nil {
		p.at = at
		err = p.f.Truncate(at) // so that its size is how far it has come
	}
	return err
}

// Close gives the file its mode, time and name, if it is whole.
func (p *part) Close(whole bool) error {
	if !whole {
		err := p.f.Close()
		if p.at < keepPart || p.entry.Size < 0 {
			err = errors.Join(err, p.dir.Remove(p.part))
		}
		return err
	}
	err := p.f.Chmod(fs.FileMode(p.entry.Mode))
	if closing := p.f.Close(); err == nil {
		err = closing
	}
	if err == nil && p.entry.Time != 0 {
		at := time.Unix(0, p.entry.Time)
		err = p.dir.Chtimes(p.part, at, at)
	}
	if err == nil {
		err = p.dir.Rename(p.part, p.name)
	}
	if err != nil {
		p.dir.Remove(p.part) //nolint:errcheck // the first error is the one to tell
	}
	return err
}

// Stream is a body that is written as it comes, holes as zeros; it is not closed.
type Stream struct{ io.Writer }

// Hole writes n zeros.
func (s Stream) Hole(n int64) error {
	_, err := io.CopyN(s.Writer, zeros{}, n)
	return err
}

// Close closes what can be closed, but for the process's own output.
func (s Stream) Close(bool) error { return nil }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
