package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// fileWriter writes files; each goroutine has its own.
type fileWriter struct {
	t    *worktree
	r    *reader
	when time.Time
}

// write makes one file or link and releases its directory.
func (w *fileWriter) write(f fileJob) error {
	defer f.dir.release()
	o, err := w.r.get(f.hash)
	if err != nil {
		return err
	}
	if o.kind != plumbing.BlobObject {
		return fmt.Errorf("%w: %s is no file", errBroken, f.hash)
	}
	if f.entry.mode == modeLink {
		return w.link(f, o)
	}
	if err := w.t.j.takeBytes(o.size); err != nil {
		return err
	}
	perm := os.FileMode(fileMode)
	if f.entry.mode == modeProgram {
		perm = executableMode
	}
	file, err := f.dir.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return twice(f.entry.name, err)
	}
	err = w.fill(file, f, o)
	if err == nil {
		err = w.finish(file, f.entry, perm)
	}
	return errors.Join(err, file.Close())
}

// maxTarget bounds a symbolic link's text, as the kernel does.
const maxTarget = 4095

// link makes a symbolic link with the text as it is, wherever that leads.
func (w *fileWriter) link(f fileJob, o *object) error {
	if o.size == 0 || o.size > maxTarget {
		return errs.New(errs.Invalid, "a symbolic link of %d bytes", o.size)
	}
	text, err := o.small(maxTarget)
	if err != nil {
		return err
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return errs.New(errs.Invalid, "a symbolic link to a name with a zero byte")
	}
	if err := f.dir.Symlink(string(text), f.name); err != nil {
		return twice(f.entry.name, err)
	}
	fi, err := f.dir.Lstat(f.name)
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		f.entry.stat(st)
	}
	return nil
}

const (
	lfsPointer = "version https://git-lfs.github.com/spec/v1\n"
	maxPointer = 1024
)

// fill writes the content.
func (w *fileWriter) fill(file *os.File, f fileJob, o *object) error {
	from, err := o.open()
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // read only
	if o.size > w.r.s.large() {
		if f.eol != eolAsIs {
			w.t.note(&w.t.encoded, &w.t.manyCoded, f.entry.name)
		}
		n, err := io.Copy(file, from)
		if err == nil && n != o.size {
			err = fmt.Errorf("%w: %d bytes of %d", errBroken, n, o.size)
		}
		return err
	}
	if f.eol == eolAsIs && o.size > maxPointer {
		n, err := io.Copy(file, from) // in one write, from where the object lies in memory
		if err == nil && n != o.size {
			err = fmt.Errorf("%w: %d bytes of %d", errBroken, n, o.size)
		}
		return err
	}
	text, err := o.small(w.r.s.large())
	if err != nil {
		return err
	}
	if len(text) <= maxPointer && strings.HasPrefix(string(text), lfsPointer) {
		w.t.note(&w.t.lfs, &w.t.manyLFS, f.entry.name)
	}
	if converted := f.eol.convert(text); len(converted) != len(text) {
		if err := w.t.j.takeBytes(int64(len(converted) - len(text))); err != nil {
			return err
		}
		text = converted
	}
	_, err = file.Write(text)
	return err
}

// finish sets mode and time, and notes in the index what the file looks like now.
func (w *fileWriter) finish(file *os.File, e *dircEntry, perm os.FileMode) error {
	fd := int(file.Fd())
	when := unix.NsecToTimeval(w.when.UnixNano())
	if err := unix.Futimes(fd, []unix.Timeval{when, when}); err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	if os.FileMode(st.Mode).Perm() != perm {
		if err := unix.Fchmod(fd, uint32(perm)); err != nil {
			return err
		}
		if err := syscall.Fstat(fd, &st); err != nil {
			return err
		}
	}
	e.stat(&st)
	return nil
}
