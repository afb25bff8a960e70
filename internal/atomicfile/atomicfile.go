// Package atomicfile writes files so that a crash at any instant leaves the old content or the new, and reads them
// with suspicion: no links, no pipes, no surprises in size.
//
// A failed fsync is final for its operation: the kernel may have dropped the dirty pages and report success the next
// time ("fsyncgate", PostgreSQL 2018), so nothing here asks twice.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Errors that the callers tell apart.
var (
	// ErrNotRegular: there is something at the path, and it is no regular file.
	ErrNotRegular = errors.New("is not a regular file")
	// ErrTooLarge: the file is larger than the limit of the reader.
	ErrTooLarge = errors.New("is larger than it may be")
	// ErrInDoubt: the new name is visible, but the directory could not be synced: after a power loss it may be the old
	// content or the new.
	ErrInDoubt = errors.New("the directory could not be synced")
)

// Write replaces the content of the file at path, or creates it, with exactly the permissions mode: a temporary file
// in the same directory, fsync, rename, fsync of the directory. It refuses to replace what is no regular file. After
// an error the old content stands, unless the error is [ErrInDoubt].
func Write(path string, data []byte, mode fs.FileMode) error { return Disk{}.Write(path, data, mode) }

// Write is [Write].
func (d Disk) Write(path string, data []byte, mode fs.FileMode) error {
	switch info, err := os.Lstat(path); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("write %s: it %w", path, ErrNotRegular)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// The directory is opened first: after the rename nothing may fail that need not, such as for want of descriptors.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // nothing was written through it
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir.Name()), renameio.WithStaticPermissions(mode))
	if err != nil {
		return err
	}
	d.tell(Change{Op: Create, Path: file.Name()})
	defer file.Cleanup() //nolint:errcheck // a leftover is swept at the next start; the error that led here is returned
	if _, err := file.Write(data); err != nil {
		return err
	}
	d.tell(Change{Op: Append, Path: file.Name(), Data: data})
	temp := file.Name()
	if err := file.CloseAtomicallyReplace(); err != nil {
		return err
	}
	d.tell(Change{Op: Sync, Path: temp})
	d.tell(Change{Op: Rename, Path: temp, To: path})
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("write %s: %w: %w", path, ErrInDoubt, err)
	}
	d.tell(Change{Op: Sync, Path: dir.Name()})
	return nil
}
