package vfolder

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
)

// Rename gives an owner's vfolder another name; a directory that agentd keeps goes along, one elsewhere stays where it
// is. Whoever has it open or mounted keeps it. A rename that a crash cut in two is finished by asking for it again.
func (f *Folders) Rename(owner uint32, name, to string) (Folder, error) {
	folder, err := f.Find(owner, name)
	if err != nil {
		return Folder{}, err
	}
	if err := CheckName(to); err != nil {
		return Folder{}, err
	}
	if name == to {
		return folder, nil
	}
	if _, err := f.Find(owner, to); err == nil {
		return Folder{}, errs.New(errs.Conflict, "vfolder %q exists already", to).WithHint("ctl vfolder info %s shows it", to)
	} else if !errs.Is(err, errs.NotFound) {
		return Folder{}, err
	}
	user := f.state.User(owner)
	if !folder.External {
		if err := moveDir(user.VFolders(), name, to); err != nil {
			return Folder{}, err
		}
		folder.Path = user.VFolder(to)
	}
	folder.Name = to
	if err := f.save(folder); err != nil {
		return Folder{}, err
	}
	return folder, atomicfile.Remove(user.VFolderRecord(name))
}

// moveDir renames an entry of a directory, and replaces nothing. The directory is its owner's, but not its name: that is
// root's, so that it is the one that it is said to be.
func moveDir(parent, name, to string) error {
	dir, err := os.Open(parent)
	if err != nil {
		return errs.New(errs.Internal, "rename vfolder %q: %w", name, err)
	}
	defer dir.Close() //nolint:errcheck // it is synced
	fd := int(dir.Fd())
	err = unix.Renameat2(fd, name, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrNotExist) {
		// An earlier try may have come so far.
		var st unix.Stat_t
		if unix.Fstatat(fd, to, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			err = nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return errs.New(errs.Conflict, "rename vfolder %q: there is something called %q in %s", name, to, parent)
	case err != nil:
		return errs.New(errs.Internal, "rename vfolder %q: %w", name, err)
	}
	if err := dir.Sync(); err != nil {
		return errs.New(errs.Internal, "rename vfolder %q: %w", name, err)
	}
	return nil
}
