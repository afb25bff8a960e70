package adapt

import (
	"context"

	"agentd/internal/helper"
	"agentd/internal/layout"
	"agentd/internal/plan"

	"agentd/internal/atomicfile"
	"agentd/internal/vfolder"
)

// Hands does for package vfolder what has to be done as the owner.
type Hands struct {
	Host *Host
}

// Mkdir makes a directory that only he can enter.
func (h Hands) Mkdir(ctx context.Context, u plan.User, root, rel string) error {
	return h.Host.help(u, func(s *helper.Session) error { //nolint:contextcheck // see help
		_, err := s.Mkdir(ctx, helper.MkdirRequest{Root: root, Entries: []helper.Entry{{Path: rel, Mode: layout.ModePrivateDir}}})
		return err
	})
}

// Remove removes a tree.
func (h Hands) Remove(ctx context.Context, u plan.User, root, rel string) error {
	return h.Host.help(u, func(s *helper.Session) error { //nolint:contextcheck // see help
		return s.Remove(ctx, helper.RemoveRequest{Root: root, Path: rel})
	})
}

// CheckDir opens a directory.
func (h Hands) CheckDir(ctx context.Context, u plan.User, dir string) error {
	return h.Host.help(u, func(s *helper.Session) error { //nolint:contextcheck // see help
		f, _, err := s.Open(ctx, helper.OpenRequest{Root: dir, Path: "."})
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// Prepare makes an owner's directory of vfolders, his own.
func (h Hands) Prepare(u plan.User) error {
	user := h.Host.State.User(u.UID)
	if err := atomicfile.MkdirAll(string(user), layout.ModePassDir); err != nil {
		return err
	}
	if err := atomicfile.MkdirAll(user.VFolders(), layout.ModePrivateDir); err != nil {
		return err
	}
	if !h.Host.Root {
		return nil
	}
	return give(user.VFolders(), u)
}

// Folders finds the paths of vfolders for the planner.
type Folders struct {
	*vfolder.Folders
	// Most is how many bytes one user's may hold; 0 for no bound.
	Most func() int64
}

// Path is where a vfolder lies. It is none for somebody whose vfolders hold more than they may.
func (f Folders) Path(owner uint32, name string) (string, error) {
	folder, err := f.Find(owner, name)
	if err == nil {
		err = withinQuota(context.Background(), f.Folders, owner, f.Most)
	}
	return folder.Path, err
}
