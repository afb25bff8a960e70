package filecopy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Disk is a sink that writes beneath a destination.
//
// A destination that is a directory gets the source in it, by its own name, or what is in it if contents are meant; any
// other is the name of the copy itself. A file is written under a name of its own beside it and renamed when all of it is
// there: nobody ever sees half of one.
type Disk struct {
	place    Place
	dst      string
	contents bool
	// levels are the directories from the root to the newest one.
	levels []level
	// failed is the path of the newest directory that could not be made: what is below it is left out.
	failed  *string
	begun   bool
	problem error
}

// level is an open directory of the destination.
type level struct {
	root *os.Root
	// path is that of the entry; made is whether we made it, and then info has its mode and time.
	path string
	made bool
	info Entry
}

// NewDisk prepares a sink.
func NewDisk(place Place, dst string, contents bool) *Disk {
	return &Disk{place: place, dst: dst, contents: contents}
}

// Put makes a directory or a link.
func (d *Disk) Put(e Entry) error {
	dir, name, err := d.where(e)
	if err != nil || dir == nil {
		return err
	}
	if e.Kind == Link {
		if info, err := dir.Lstat(name); err == nil && info.IsDir() {
			return errors.New("there is a directory of that name")
		}
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := dir.Symlink(string(e.Target), name); err != nil {
			return err
		}
		return linkTime(dir, name, e.Time)
	}
	err = d.enter(dir, name, e)
	if err != nil {
		at := string(e.Path)
		d.failed = &at
		if at == "" {
			return fmt.Errorf("%w: %w", ErrStop, err)
		}
	}
	return err
}

// linkTime sets the time of a link itself.
func linkTime(dir *os.Root, name string, ns int64) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only a handle
	at := unix.NsecToTimespec(ns)
	return unix.UtimesNanoAt(int(f.Fd()), name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
}

// where finds the open directory and the name in it for an entry. Both are empty below a directory that failed.
func (d *Disk) where(e Entry) (*os.Root, string, error) {
	at := string(e.Path)
	if !d.begun {
		d.begun = true
		if at != "" {
			return nil, "", stop("the copy does not begin with its root")
		}
		return d.begin(e)
	}
	if at == "" || !local(at) {
		return nil, "", stop("the name " + strconv.Quote(at) + " leads out of the copy")
	}
	if d.failed != nil && strings.HasPrefix(at, *d.failed+"/") {
		return nil, "", nil
	}
	parent := path.Dir(at)
	if parent == "." {
		parent = ""
	}
	for len(d.levels) > 0 && d.levels[len(d.levels)-1].path != parent {
		d.leave()
	}
	if len(d.levels) == 0 {
		return nil, "", stop("the name " + strconv.Quote(at) + " is out of order")
	}
	return d.levels[len(d.levels)-1].root, path.Base(at), nil
}

// local is what a path of the other side has to be: below, and written plainly.
func local(at string) bool {
	return at != "" && !strings.ContainsRune(at, 0) && path.Clean(at) == at && at != "." && at != ".." &&
		!strings.HasPrefix(at, "/") && !strings.HasPrefix(at, "../")
}

func stop(text string) error {
	return fmt.Errorf("%w: %w", ErrStop, errs.New(errs.Unavailable, "%s", text))
}

// begin finds the place of the root.
func (d *Disk) begin(e Entry) (*os.Root, string, error) {
	dst := path.Clean(d.dst)
	info, err := d.place.Stat(dst)
	switch {
	case err == nil && info.IsDir():
		name := string(e.Name)
		if e.Kind == Dir && d.contents {
			name = "."
		} else if !local(name) || strings.Contains(name, "/") {
			return nil, "", stop("the source has no name of its own: name the destination")
		}
		return d.base(dst, name)
	case err == nil && (e.Kind == Dir || strings.HasSuffix(d.dst, "/")):
		return nil, "", fmt.Errorf("%w: %w", ErrStop, errs.New(errs.Conflict, "%s is not a directory", dst))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("%w: %w", ErrStop, err)
	case err != nil && strings.HasSuffix(d.dst, "/") && e.Kind != Dir:
		return nil, "", fmt.Errorf("%w: %w", ErrStop, errs.New(errs.NotFound, "there is no directory %s", dst))
	}
	return d.base(path.Dir(dst), path.Base(dst))
}

// base opens the directory that holds the root.
func (d *Disk) base(dir, name string) (*os.Root, string, error) {
	root, err := d.place.OpenRoot(dir)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrStop, errs.New(codeOf(err), "%s: %s", dir, cause(err)))
	}
	// No entry has this path: it stays open until the end.
	d.levels = append(d.levels, level{root: root, path: "/"})
	return root, name, nil
}

// enter makes a directory, or takes the one that is there, and opens it.
func (d *Disk) enter(dir *os.Root, name string, e Entry) error {
	err := dir.Mkdir(name, 0o700)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		var info fs.FileInfo
		if info, err = dir.Lstat(name); err == nil && !info.IsDir() {
			err = errors.New("there is " + kindOf(info.Mode()) + " of that name, and not a directory")
		}
	}
	if err != nil {
		return err
	}
	root, err := dir.OpenRoot(name)
	if err != nil {
		return err
	}
	d.levels = append(d.levels, level{root: root, path: string(e.Path), made: made, info: e})
	return nil
}

// leave closes the newest directory. Only now it gets its mode and time: the mode may forbid to write in it, and writing
// changes the time.
func (d *Disk) leave() {
	l := d.levels[len(d.levels)-1]
	d.levels = d.levels[:len(d.levels)-1]
	if l.made {
		at := time.Unix(0, l.info.Time)
		d.problem = errors.Join(d.problem, l.root.Chtimes(".", at, at), l.root.Chmod(".", fs.FileMode(l.info.Mode)))
	}
	l.root.Close() //nolint:errcheck // a directory has nothing to lose
}

// Finish gives the directories their modes and times.
func (d *Disk) Finish() error {
	for len(d.levels) > 0 {
		d.leave()
	}
	return d.problem
}
