package binder

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// Mounts holds sources as mounts of its own beneath a directory that only root enters. It needs CAP_SYS_ADMIN and the
// engine's mount namespace.
type Mounts struct {
	dir string

	// mu guards ready: the directory is prepared with the first bind, so that an agentd that mounts nothing leaves
	// nothing mounted.
	mu    sync.Mutex
	ready bool
}

var _ Binder = (*Mounts)(nil)

// NewMounts returns a binder that works beneath dir, which need not be there yet.
func NewMounts(dir string) *Mounts { return &Mounts{dir: dir} }

// prepare makes the directory a mount point of its own with private propagation: what is mounted beneath it reaches the
// engine, which looks it up there, and no other namespace, where it would keep sources busy for ever.
func (m *Mounts) prepare() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready {
		return nil
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return errs.New(errs.Internal, "make %s: %w", m.dir, err)
	}
	mounted, err := isMountpoint(m.dir)
	if err != nil {
		return err
	}
	if !mounted {
		if err := unix.Mount(m.dir, m.dir, "", unix.MS_BIND, ""); err != nil {
			return errs.New(errs.Internal, "bind %s on itself: %w", m.dir, err)
		}
	}
	if err := unix.Mount("", m.dir, "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return errs.New(errs.Internal, "make %s private: %w", m.dir, err)
	}
	m.ready = true
	return nil
}

// Close takes the directory's own mount away if nothing is held beneath it. What is held stays: sessions outlive agentd.
func (m *Mounts) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	names, err := m.names()
	if err != nil || len(names) > 0 {
		return err
	}
	m.ready = false
	if mounted, err := isMountpoint(m.dir); err != nil || !mounted {
		return nil //nolint:nilerr // there is nothing to take away
	}
	if err := unix.Unmount(m.dir, unix.UMOUNT_NOFOLLOW); err != nil {
		return errs.New(errs.Internal, "unmount %s: %w", m.dir, err)
	}
	return nil
}

// Bind clones the mount tree at the source, takes setuid, devices and, if asked, writing away from all of it, and puts
// it beneath the directory.
func (m *Mounts) Bind(_ context.Context, s Source) (Bound, error) {
	if err := m.prepare(); err != nil {
		return Bound{}, err
	}
	target := filepath.Join(m.dir, bindName(s.Session, s.Index))
	if err := m.drop(target); err != nil {
		return Bound{}, err
	}
	if err := makeMountpoint(target, s.File); err != nil {
		return Bound{}, err
	}
	if err := attach(s, target); err != nil {
		return Bound{}, errors.Join(err, m.drop(target))
	}
	return Bound{Path: target}, nil
}

// attach works on a tree that nobody sees until it is as it shall be.
func attach(s Source, target string) error {
	const recursive = unix.AT_EMPTY_PATH | unix.AT_RECURSIVE
	tree, err := unix.OpenTree(int(s.File.Fd()), "",
		recursive|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return errs.New(errs.Internal, "clone the mounts at %s: %w", s.File.Name(), err)
	}
	defer unix.Close(tree) //nolint:errcheck // a mount that was moved stays without it
	attr := unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE,
	}
	if s.ReadOnly {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(tree, "", recursive, &attr); err != nil {
		return errs.New(errs.Internal, "restrict the mounts at %s: %w", s.File.Name(), err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return errs.New(errs.Internal, "mount %s at %s: %w", s.File.Name(), target, err)
	}
	return nil
}

// makeMountpoint makes an empty directory or file, as the source is one.
func makeMountpoint(target string, source *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(source.Fd()), &st); err != nil {
		return errs.New(errs.Internal, "look at %s: %w", source.Name(), err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := os.Mkdir(target, 0o700); err != nil {
			return errs.New(errs.Internal, "make the mountpoint %s: %w", target, err)
		}
	case unix.S_IFREG:
		f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return errs.New(errs.Internal, "make the mountpoint %s: %w", target, err)
		}
		return f.Close()
	default:
		return errs.New(errs.Invalid, "mount %s: only directories and regular files can be mounted", source.Name())
	}
	return nil
}

// Release unmounts, makes sure of it, and removes the empty mountpoints; it never removes anything recursively.
func (m *Mounts) Release(_ context.Context, session string) error {
	names, err := m.names()
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range names {
		if s, ok := sessionOf(name); ok && s == session {
			failures = append(failures, m.drop(filepath.Join(m.dir, name)))
		}
	}
	return errors.Join(failures...)
}

// drop takes one mountpoint away, with whatever is mounted on it, once or several times over.
func (m *Mounts) drop(target string) error {
	for {
		err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return errs.New(errs.Internal, "unmount %s: %w", target, err)
		}
	}
	// Remove is unlink or rmdir: it fails on what is not empty, and cannot reach a source.
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errs.New(errs.Internal, "remove the mountpoint: %w", err)
	}
	return nil
}

// Sessions lists the sessions that have mountpoints.
func (m *Mounts) Sessions(context.Context) ([]string, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, name := range names {
		if s, ok := sessionOf(name); ok {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func (m *Mounts) names() ([]string, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.Internal, "list %s: %w", m.dir, err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// isMountpoint asks the kernel: statx tells the root of a mount apart since Linux 5.8.
func isMountpoint(dir string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	if err != nil {
		return false, errs.New(errs.Internal, "look at %s: %w", dir, err)
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}
