package adapt

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"

	"agentd/internal/atomicfile"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/plan"
)

// Rules of who may use an image that is here already, as in the configuration.
const (
	accessGuarded = "guarded"
	accessOwn     = "own"
)

const (
	// maxShown bounds the images that are remembered of one owner; the oldest go first, and are shown again.
	maxShown      = 4096
	maxShownBytes = 1 << 20
)

// Access remembers which images registries have given to whom. The engine keeps one store for all: without this, whoever
// knows its name would have the private image that another pulled.
type Access struct {
	State layout.State
	// Rule is all, guarded or own; Closed says that no registry is ever asked, so that nobody can show anything.
	Rule   string
	Closed bool
	Log    *slog.Logger

	mu    sync.Mutex
	shown map[uint32][]string
}

// shownFile is the record on disk.
type shownFile struct {
	// Images are ids, the oldest first.
	Images []string `json:"images"`
}

// may reports whether the owner may have the image that the reference names, as it is here.
func (a *Access) may(owner uint32, ref string, image engine.Image) bool {
	if !a.guards(owner) || a.Rule == accessGuarded && !image.GivenAs(ref) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.ofLocked(owner), image.ID)
}

// ofLocked is what an owner was given; a record that cannot be read is one of nothing: he shows it again.
func (a *Access) ofLocked(owner uint32) []string {
	if list, ok := a.shown[owner]; ok {
		return list
	}
	var file shownFile
	path := a.State.User(owner).Images()
	text, err := atomicfile.Read(path, maxShownBytes)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.Log.Warn("whose images are whose is not known any more: registries are asked again", "file", path, "error", err)
	}
	if a.shown == nil {
		a.shown = map[uint32][]string{}
	}
	a.shown[owner] = file.Images
	return file.Images
}

// show remembers that a registry gave the image to the owner. What cannot be written is known until agentd ends.
func (a *Access) show(owner uint32, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.ofLocked(owner)
	if slices.Contains(list, id) {
		return
	}
	list = append(slices.Clone(list[max(0, len(list)+1-maxShown):]), id)
	a.shown[owner] = list
	text, err := json.MarshalIndent(shownFile{Images: list}, "", "  ")
	user := a.State.User(owner)
	if err == nil {
		err = atomicfile.MkdirAll(string(user), layout.ModePassDir)
	}
	if err == nil {
		err = atomicfile.Write(user.Images(), append(text, '\n'), layout.ModePrivate)
	}
	if err != nil {
		a.Log.Warn("remember that a registry gave an image to a user", "owner", owner, "image", id, "error", err)
	}
}

// guards reports whether it matters to this owner who was given what.
func (a *Access) guards(owner uint32) bool {
	return owner != 0 && !a.Closed && (a.Rule == accessGuarded || a.Rule == accessOwn)
}

// allowed brings an image for its owner. For one who has not shown that a registry gives it to him the engine's store is
// as if it were empty: the registry is asked, with his login, and its answer is the same as if nobody had the image.
func (i *Images) allowed(
	ctx context.Context, owner uint32, image plan.Image, req engine.PullRequest, progress func(engine.PullProgress),
) (engine.Image, error) {
	if !i.Access.guards(owner) || req.Policy == engine.PullNever {
		got, err := i.pinned(ctx, image, req, progress)
		if err == nil && !i.Access.may(owner, req.Reference, got) {
			return engine.Image{}, engine.Absent(req.Reference, req.Platform)
		}
		return got, err
	}
	got, err := i.local(ctx, image, req)
	switch {
	case err != nil && !errs.Is(err, errs.NotFound):
		return engine.Image{}, err
	case err == nil && i.Access.may(owner, req.Reference, got) && (req.Policy != engine.PullAlways || image.Pinned != nil):
		return got, nil
	}
	req.Policy = engine.PullAlways
	if got, err = i.pulled(ctx, image, req, progress); err == nil {
		i.Access.show(owner, got.ID)
	}
	return got, err
}

// local is the image as the engine has it.
func (i *Images) local(ctx context.Context, image plan.Image, req engine.PullRequest) (engine.Image, error) {
	if image.Pinned != nil {
		return i.Host.Engine.Image(ctx, image.Pinned.ID)
	}
	return i.Host.Engine.Local(ctx, req.Reference, req.Platform)
}
