// Package vfolder keeps the directories that outlive sessions: one of the owner's under the state directory, or one of
// his own elsewhere.
package vfolder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/plan"
)

// hands does what has to be done as the owner: directories of his are never touched with root's rights.
type hands interface {
	// Mkdir makes the directory rel beneath root.
	Mkdir(ctx context.Context, as plan.User, root, rel string) error
	// Remove removes the tree rel beneath root, without following links or leaving the filesystem.
	Remove(ctx context.Context, as plan.User, root, rel string) error
	// CheckDir opens dir as him, and fails if it is no directory or he cannot read it.
	CheckDir(ctx context.Context, as plan.User, dir string) error
}

// Folder is one vfolder.
type Folder struct {
	Name  string `json:"name"`
	Owner uint32 `json:"owner_uid"`
	// Path is absolute, on the host.
	Path string `json:"path"`
	// External is true if the owner named the directory; agentd then never removes it.
	External bool      `json:"external,omitempty"`
	Created  time.Time `json:"created_at"`
}

// Folders keeps the vfolders of all owners.
type Folders struct {
	state layout.State
	hands hands
	now   func() time.Time
	// prepare makes an owner's directories with the right owner and mode.
	prepare func(as plan.User) error
}

// New returns the vfolders below state. The function prepare makes layout.User.VFolders of an owner, his own and 0700,
// and may be called often.
func New(state layout.State, h hands, now func() time.Time, prepare func(as plan.User) error) *Folders {
	return &Folders{state: state, hands: h, now: now, prepare: prepare}
}

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

// CheckName refuses what is not a vfolder's name: 1 to 64 letters, digits, '_', '.' and '-', the first no '.' or '-'.
func CheckName(name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	return errs.New(errs.Invalid,
		"%q is not a vfolder name: want 1 to 64 letters, digits, '_', '.' and '-', the first no '.' or '-'", name)
}

// Create makes a vfolder of the owner's. With a path it stands for that directory, which must be there and be readable
// by him.
func (f *Folders) Create(ctx context.Context, as plan.User, name, path string) (Folder, error) {
	if err := CheckName(name); err != nil {
		return Folder{}, err
	}
	if _, err := f.Find(as.UID, name); err == nil {
		return Folder{}, errs.New(errs.Conflict, "vfolder %q exists already", name).
			WithHint("ctl vfolder info %s shows it", name)
	} else if !errs.Is(err, errs.NotFound) {
		return Folder{}, err
	}
	if err := f.prepare(as); err != nil {
		return Folder{}, err
	}
	user := f.state.User(as.UID)
	folder := Folder{Name: name, Owner: as.UID, Path: user.VFolder(name), Created: f.now().UTC()}
	if path != "" {
		folder.Path, folder.External = filepath.Clean(path), true
		if !filepath.IsAbs(path) {
			return Folder{}, errs.New(errs.Invalid, "vfolder %q: the path %q is not absolute", name, path)
		}
		if err := f.hands.CheckDir(ctx, as, folder.Path); err != nil {
			return Folder{}, err
		}
	} else if err := f.hands.Mkdir(ctx, as, user.VFolders(), name); err != nil {
		return Folder{}, err
	}
	return folder, f.save(folder)
}

func (f *Folders) save(folder Folder) error {
	raw, err := json.MarshalIndent(folder, "", "  ")
	if err != nil {
		return errs.New(errs.Internal, "write vfolder %q: %w", folder.Name, err)
	}
	user := f.state.User(folder.Owner)
	if err := atomicfile.MkdirAll(user.VFolderIndex(), layout.ModePrivateDir); err != nil {
		return err
	}
	return atomicfile.Write(user.VFolderRecord(folder.Name), append(raw, '\n'), layout.ModePrivate)
}

// recordLimit bounds a vfolder's record, in bytes.
const recordLimit = 16 << 10

// Find returns an owner's vfolder by its exact name.
func (f *Folders) Find(owner uint32, name string) (Folder, error) {
	missing := errs.New(errs.NotFound, "no vfolder %q", name).WithHint("ctl vfolder ls shows what there is")
	if CheckName(name) != nil {
		return Folder{}, missing
	}
	raw, err := atomicfile.Read(f.state.User(owner).VFolderRecord(name), recordLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return Folder{}, missing
	}
	if err != nil {
		return Folder{}, err
	}
	var folder Folder
	if err := json.Unmarshal(raw, &folder); err != nil {
		return Folder{}, errs.New(errs.Damaged, "the record of vfolder %q cannot be read: %w", name, err)
	}
	return folder, nil
}

// List returns an owner's vfolders, sorted by name. One with a damaged record hides no other.
func (f *Folders) List(owner uint32) ([]Folder, error) {
	entries, err := os.ReadDir(f.state.User(owner).VFolderIndex())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.Internal, "list vfolders: %w", err)
	}
	var list []Folder
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), layout.RecordSuffix)
		if !ok {
			continue
		}
		if folder, err := f.Find(owner, name); err == nil {
			list = append(list, folder)
		}
	}
	slices.SortFunc(list, func(a, b Folder) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Remove forgets a vfolder, and removes its files unless the directory is the owner's own elsewhere.
func (f *Folders) Remove(ctx context.Context, as plan.User, owner uint32, name string) (Folder, error) {
	folder, err := f.Find(owner, name)
	if err != nil {
		return Folder{}, err
	}
	user := f.state.User(owner)
	if !folder.External {
		if err := f.hands.Remove(ctx, as, user.VFolders(), name); err != nil {
			return Folder{}, err
		}
	}
	return folder, atomicfile.Remove(user.VFolderRecord(name))
}
