package adapt

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/vfolder"
)

// VFolders serves vfolders to callers: each his own.
type VFolders struct {
	Folders *vfolder.Folders
	// Most is how many bytes one user's may hold; 0 for no bound.
	Most func() int64
}

func owner(c identity.Caller) plan.User { return plan.User{UID: c.UID, GID: c.GID, Groups: c.Groups} }

func wire(f vfolder.Folder) api.VFolder {
	return api.VFolder{Name: f.Name, OwnerUID: f.Owner, Path: f.Path, External: f.External, CreatedAt: f.Created}
}

// VFolders lists them.
func (v VFolders) VFolders(_ context.Context, c identity.Caller) ([]api.VFolder, error) {
	found, err := v.Folders.List(c.UID)
	list := make([]api.VFolder, 0, len(found))
	for _, f := range found {
		list = append(list, wire(f))
	}
	return list, err
}

// VFolder finds one.
func (v VFolders) VFolder(_ context.Context, c identity.Caller, name string) (api.VFolder, error) {
	f, err := v.Folders.Find(c.UID, name)
	return wire(f), err
}

// CreateVFolder makes one.
func (v VFolders) CreateVFolder(ctx context.Context, c identity.Caller, r api.VFolderRequest) (api.VFolder, error) {
	if err := withinQuota(ctx, v.Folders, c.UID, v.Most); err != nil {
		return api.VFolder{}, err
	}
	f, err := v.Folders.Create(ctx, owner(c), r.Name, r.Path)
	return wire(f), err
}

// RemoveVFolder removes one.
func (v VFolders) RemoveVFolder(ctx context.Context, c identity.Caller, name string) (api.VFolder, error) {
	f, err := v.Folders.Remove(ctx, owner(c), c.UID, name)
	return wire(f), err
}

// RenameVFolder gives one another name.
func (v VFolders) RenameVFolder(_ context.Context, c identity.Caller, name, to string) (api.VFolder, error) {
	f, err := v.Folders.Rename(c.UID, name, to)
	return wire(f), err
}
