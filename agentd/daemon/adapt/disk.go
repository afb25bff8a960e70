package adapt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/vfolder"
)

// Disks says what of this agent's takes room.
type Disks struct {
	Host    *Host
	Folders *vfolder.Folders
	// Sessions lists a caller's sessions, newest first, those that have ended too.
	Sessions func(identity.Caller) []session.Record
}

// Disk counts the caller's own, and the images that his sessions ran. What goes away while it is counted counts nothing.
func (d *Disks) Disk(ctx context.Context, caller identity.Caller) (api.DiskUse, error) {
	out := api.DiskUse{
		SchemaVersion: api.SchemaVersion,
		Sessions:      []api.SessionDisk{}, VFolders: []api.VFolderDisk{}, Images: []api.ImageDisk{},
	}
	user := d.Host.State.User(caller.UID)
	seen := map[string]bool{}
	for _, rec := range d.Sessions(caller) {
		s := api.SessionDisk{ID: rec.ID, Name: rec.Plan.Name, Ended: rec.Status.Final()}
		var err error
		if s.RecordBytes, err = bytesBelow(ctx, string(user.Session(rec.ID))); err != nil {
			return out, err
		}
		for _, dir := range []string{user.Scratch(rec.ID), user.Checkout(rec.ID)} {
			n, err := bytesBelow(ctx, dir)
			if err != nil {
				return out, err
			}
			s.ScratchBytes += n
		}
		out.Sessions = append(out.Sessions, s)
		if id := rec.Staged.ImageID; id != "" && !seen[id] {
			seen[id] = true
			if err := d.image(ctx, &out, id, rec.Plan.Image.Reference); err != nil {
				return out, err
			}
		}
	}
	folders, err := d.Folders.List(caller.UID)
	if err != nil {
		return out, err
	}
	for _, f := range folders {
		if f.External {
			continue
		}
		n, err := bytesBelow(ctx, f.Path)
		if err != nil {
			return out, err
		}
		out.VFolders = append(out.VFolders, api.VFolderDisk{Name: f.Name, Bytes: n})
	}
	if out.Repositories, err = repositories(ctx, user); err != nil {
		return out, err
	}
	out.FreeBytes, err = freeBytes(string(d.Host.State))
	return out, err
}

// repositories counts the cache of what was fetched for an owner, as whomever.
func repositories(ctx context.Context, user layout.User) (out api.RepositoriesDisk, err error) {
	all, err := filepath.Glob(filepath.Join(user.GitCaches(), "*", "*"))
	if err != nil {
		return out, errs.New(errs.Internal, "count the cache of repositories: %w", err)
	}
	out.Count = len(all)
	out.Bytes, err = bytesBelow(ctx, user.GitCaches())
	return out, err
}

// image adds an image if the engine still has it.
func (d *Disks) image(ctx context.Context, out *api.DiskUse, id, ref string) error {
	image, err := d.Host.Engine.Image(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	out.Images = append(out.Images, api.ImageDisk{ID: id, Reference: ref, Bytes: image.SizeBytes})
	return nil
}

// freeBytes is what an ordinary user has left on the filesystem of dir.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, errs.New(errs.Internal, "look at the filesystem of %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// blockBytes is the unit of st_blocks, whatever the filesystem's own is.
const blockBytes = 512

// bytesBelow is what a tree takes on the disk. Its owner may change it meanwhile, so it is walked beneath its root, and
// no link is followed; what lies on another filesystem is not counted, nor is a second name of a file.
func bytesBelow(ctx context.Context, dir string) (int64, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, errs.New(errs.Internal, "count %s: %w", dir, err)
	}
	defer root.Close() //nolint:errcheck // nothing was written through it
	var total int64
	var device uint64
	linked := map[uint64]bool{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return nil //nolint:nilerr // it went away, or is not ours to read
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // it went away
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if name == "." {
			device = st.Dev
		}
		if st.Dev != device {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if st.Nlink > 1 && !entry.IsDir() {
			if linked[st.Ino] {
				return nil
			}
			linked[st.Ino] = true
		}
		total += st.Blocks * blockBytes
		return nil
	})
	return total, err
}
