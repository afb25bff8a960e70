package filecopy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Place is where paths of a request are looked up: an [os.Root] for files that lie on hostile ground.
type Place interface {
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	OpenRoot(name string) (*os.Root, error)
}

// Anywhere is the whole file system, for a process that may see all that it can reach.
type Anywhere struct{}

// Stat is os.Stat.
func (Anywhere) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// OpenFile is os.OpenFile.
func (Anywhere) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}

// OpenRoot is os.OpenRoot.
func (Anywhere) OpenRoot(name string) (*os.Root, error) { return os.OpenRoot(name) }

// Tree is a source on disk. A link that is the source itself is followed, one in a tree is sent as it is.
type Tree struct {
	place    Place
	path     string
	name     string
	contents bool
	info     fs.FileInfo
}

// homeName is the name of a place's own top, which is a session's /home/work.
const homeName = "work"

// NewTree looks at a source. A path that ends in /. means what is in the directory, as contents does.
func NewTree(place Place, name string, contents bool) (*Tree, error) {
	contents = contents || strings.HasSuffix(name, "/.")
	t := &Tree{place: place, path: path.Clean(name), contents: contents}
	if t.name = path.Base(t.path); t.name == "." {
		t.name = homeName
	}
	info, err := place.Stat(t.path)
	switch {
	case err != nil:
		return nil, errs.New(codeOf(err), "%s: %s", name, cause(err))
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, errs.New(errs.Invalid, "%s is %s, which cannot be copied", name, kindOf(info.Mode()))
	case !info.IsDir() && strings.HasSuffix(name, "/"):
		return nil, errs.New(errs.Invalid, "%s is not a directory", strings.TrimRight(name, "/"))
	case !info.IsDir() && contents:
		return nil, errs.New(errs.Invalid, "%s is not a directory", strings.TrimSuffix(name, "/."))
	}
	t.info = info
	return t, nil
}

// Contents is whether what is in the directory is meant, and not the directory.
func (t *Tree) Contents() bool { return t.contents }

// About is the source in short; with count, after a walk through all of it.
func (t *Tree) About(ctx context.Context, count bool) Source {
	if !t.info.IsDir() {
		return Source{Kind: File, Files: 1, Bytes: t.info.Size()}
	}
	s := Source{Kind: Dir}
	if !count {
		return s
	}
	root, err := t.place.OpenRoot(t.path)
	if err != nil {
		return s // the walk that copies says why
	}
	defer root.Close()                                                          //nolint:errcheck // only read
	fs.WalkDir(root.FS(), ".", func(_ string, d fs.DirEntry, err error) error { //nolint:errcheck // an estimate
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		s.Files++
		if info, err := d.Info(); err == nil && d.Type().IsRegular() {
			s.Bytes += info.Size()
		}
		return nil
	})
	return s
}

// Each yields the tree, depth first, in the order of names.
func (t *Tree) Each(yield Yield) error {
	if !t.info.IsDir() {
		f, err := t.place.OpenFile(t.path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return yield(problemOf(nil, err), nil)
		}
		return yieldFile(yield, f, Entry{Name: []byte(t.name)})
	}
	root, err := t.place.OpenRoot(t.path)
	if err != nil {
		return yield(problemOf(nil, err), nil)
	}
	e := entryOf(t.info)
	e.Name = []byte(t.name)
	if err := yield(e, nil); err != nil {
		return errors.Join(err, root.Close())
	}
	return walk(root, "", yield)
}

// walk yields what is in a directory, and closes it.
func walk(dir *os.Root, at string, yield Yield) error {
	defer dir.Close() //nolint:errcheck // only read
	list, err := names(dir)
	if err != nil {
		if err := yield(problemOf([]byte(at), err), nil); err != nil {
			return err
		}
	}
	for _, name := range list {
		if err := one(dir, name, path.Join(at, name), yield); err != nil {
			return err
		}
	}
	return nil
}

func names(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	list, err := f.Readdirnames(-1)
	slices.Sort(list)
	return list, err
}

// one yields one name of a directory, with all below it.
func one(dir *os.Root, name, at string, yield Yield) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return yield(problemOf([]byte(at), err), nil)
	}
	e := entryOf(info)
	e.Path = []byte(at)
	switch e.Kind {
	case Dir:
		sub, err := dir.OpenRoot(name)
		if err != nil {
			return yield(problemOf(e.Path, err), nil)
		}
		if err := yield(e, nil); err != nil {
			return errors.Join(err, sub.Close())
		}
		return walk(sub, at, yield)
	case Link:
		target, err := dir.Readlink(name)
		if err != nil {
			return yield(problemOf(e.Path, err), nil)
		}
		e.Target = []byte(target)
		return yield(e, nil)
	case File:
		f, err := dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err != nil {
			return yield(problemOf(e.Path, err), nil)
		}
		return yieldFile(yield, f, e)
	case Problem:
	}
	e.Text, e.Skipped = "left out: it is "+kindOf(info.Mode()), true
	return yield(e, nil)
}

// yieldFile yields a file as it was opened, and closes it.
func yieldFile(yield Yield, f *os.File, named Entry) error {
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it was exchanged for " + kindOf(info.Mode()))
	}
	if err != nil {
		return yield(problemOf(named.Path, err), nil)
	}
	e := entryOf(info)
	e.Path, e.Name = named.Path, named.Name
	return yield(e, f)
}

func entryOf(info fs.FileInfo) Entry {
	e := Entry{Kind: Problem, Mode: uint32(info.Mode().Perm()), Time: info.ModTime().UnixNano()}
	switch {
	case info.IsDir():
		e.Kind = Dir
	case info.Mode().IsRegular():
		e.Kind, e.Size = File, info.Size()
	case info.Mode()&fs.ModeSymlink != 0:
		e.Kind = Link
	}
	return e
}

// kindOf names what is no file, directory or link.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a link"
	}
	return "no regular file"
}
