package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SyncDir makes the entries of the directory durable: the names that were created, renamed or removed in it.
func SyncDir(path string) error { return Disk{}.SyncDir(path) }

// SyncDir is [SyncDir].
func (d Disk) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if err == nil {
		d.tell(Change{Op: Sync, Path: path})
	}
	return errors.Join(err, dir.Close())
}

// MkdirAll makes the directory path and the parents that are missing, each with exactly the permissions mode, and
// makes each durable in its parent. What is there already is left as it is.
func MkdirAll(path string, mode fs.FileMode) error { return Disk{}.MkdirAll(path, mode) }

// MkdirAll is [MkdirAll].
func (d Disk) MkdirAll(path string, mode fs.FileMode) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("make directory %s: there is something else with that name", path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if err := d.MkdirAll(parent, mode); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d.tell(Change{Op: Mkdir, Path: path})
	// The umask takes bits away from what Mkdir is asked for.
	if err := EnsureMode(path, mode); err != nil {
		return err
	}
	return d.SyncDir(parent)
}

// EnsureMode gives the directory path exactly the permissions mode, and refuses anything that is no directory.
func EnsureMode(path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	if info.Mode().Perm() == mode {
		return nil
	}
	return os.Chmod(path, mode)
}

// Remove removes the file or empty directory at path and makes that durable; one that is not there is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncDir(filepath.Dir(path))
}
