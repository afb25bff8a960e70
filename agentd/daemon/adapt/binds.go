package adapt

import (
	"context"
	"path/filepath"
	"strings"

	"agentd/internal/binder"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/helper"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Binds opens the sources of mounts as the caller, and gives the descriptors to the binder.
type Binds struct {
	Host   *Host
	Binder binder.Binder
}

// Bind opens one source, once: what is behind the descriptor is what will be mounted.
func (b *Binds) Bind(ctx context.Context, rec session.Record, index int) (launch.Bind, error) {
	m := rec.Plan.Mounts[index]
	rel, err := filepath.Rel(m.Root, m.Source)
	if err != nil || !filepath.IsLocal(rel) {
		return launch.Bind{}, errs.New(errs.Internal, "mount %s: it is not beneath %s", m.Source, m.Root)
	}
	var bind launch.Bind
	err = b.Host.help(rec.Plan.User, func(h *helper.Session) error { //nolint:contextcheck // see help
		if m.Create && rel != "." {
			req := helper.MkdirRequest{Root: m.Root, Entries: []helper.Entry{{Path: rel}}}
			if _, err := h.Mkdir(ctx, req); err != nil {
				return err
			}
		}
		f, opened, err := h.Open(ctx, helper.OpenRequest{Root: m.Root, Path: rel, Symlinks: true, Write: !m.ReadOnly})
		if err != nil {
			return hint(err, m)
		}
		defer f.Close() //nolint:errcheck // the binder has its own
		bound, err := b.Binder.Bind(ctx, binder.Source{Session: rec.ID, Index: index, File: f, ReadOnly: m.ReadOnly})
		bind = launch.Bind{Path: bound.Path, Volume: bound.Volume, File: !opened.Directory}
		return err
	})
	return bind, err
}

// hint says what to do about a source that cannot be opened.
func hint(err error, m plan.Mount) error {
	e := errs.New(errs.CodeOf(err), "%w", err)
	switch {
	case errs.Is(err, errs.NotFound) && m.Kind == plan.MountVFolder:
		return e.WithHint("make it: {target, subpath, create: true} in the template, or a file upload")
	case errs.Is(err, errs.NotFound):
		return e.WithHint("make %s first", m.Source)
	case errs.Is(err, errs.Forbidden) && !m.ReadOnly:
		return e.WithHint("if reading is enough, mount it read-only: TARGET:ro")
	}
	return err
}

// Release lets go of all sources of a session.
func (b *Binds) Release(ctx context.Context, rec session.Record) error {
	return b.Binder.Release(ctx, rec.ID)
}

// Volumes is the engine's part of the ordinary user's binder.
type Volumes struct {
	Host *Host
}

// CreateBindVolume makes the volume with this instance's labels.
func (v Volumes) CreateBindVolume(ctx context.Context, name, device string, readOnly bool) error {
	return v.Host.Engine.CreateVolume(ctx, name, device, readOnly, engine.Labels{Instance: v.Host.Instance})
}

// RemoveVolume removes a volume; none is no error.
func (v Volumes) RemoveVolume(ctx context.Context, name string) error {
	err := v.Host.Engine.RemoveVolume(ctx, name)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// ListVolumes lists this instance's volumes whose names begin with prefix.
func (v Volumes) ListVolumes(ctx context.Context, prefix string) ([]string, error) {
	all, err := v.Host.Engine.ListVolumes(ctx, v.Host.Instance)
	var names []string
	for _, volume := range all {
		if strings.HasPrefix(volume.Name, prefix) {
			names = append(names, volume.Name)
		}
	}
	return names, err
}
