package adapt

import (
	"context"
	"fmt"
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

// Bind opens the sources, each once: what is behind the descriptors is what will be mounted. Then it makes their
// mountpoints. One child does it all: its start is what costs.
func (b *Binds) Bind(ctx context.Context, rec session.Record) ([]launch.Bind, error) {
	binds := make([]launch.Bind, len(rec.Plan.Mounts))
	sources := func(h *helper.Session) error {
		for i, m := range rec.Plan.Mounts {
			var err error
			if binds[i], err = b.bind(ctx, h, rec, i); err != nil {
				return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
			}
		}
		return nil
	}
	if fixed := rec.Plan.User.UID != rec.Owner; fixed && len(binds) > 0 {
		// The configuration makes all sessions one user's: what he may open is not for everybody.
		if err := b.Host.help(account(rec.Owner), sources); err != nil { //nolint:contextcheck // see help
			return nil, err
		}
		sources = func(*helper.Session) error { return nil }
	}
	err := b.Host.help(rec.Plan.User, func(h *helper.Session) error { //nolint:contextcheck // see help
		if err := sources(h); err != nil {
			return err
		}
		return b.targets(ctx, h, rec, launch.Targets(rec.Plan, binds))
	})
	return binds, err
}

func (b *Binds) bind(ctx context.Context, h *helper.Session, rec session.Record, index int) (launch.Bind, error) {
	m := rec.Plan.Mounts[index]
	rel, err := filepath.Rel(m.Root, m.Source)
	if err != nil || !filepath.IsLocal(rel) {
		return launch.Bind{}, errs.New(errs.Internal, "it is not beneath %s", m.Root)
	}
	if m.Create && rel != "." {
		req := helper.MkdirRequest{Root: m.Root, Entries: []helper.Entry{{Path: rel}}}
		if _, err := h.Mkdir(ctx, req); err != nil {
			return launch.Bind{}, err
		}
	}
	f, opened, err := h.Open(ctx, helper.OpenRequest{Root: m.Root, Path: rel, Symlinks: true, Write: !m.ReadOnly})
	if err != nil {
		return launch.Bind{}, hint(err, m)
	}
	defer f.Close() //nolint:errcheck // the binder has its own
	bound, err := b.Binder.Bind(ctx, binder.Source{Session: rec.ID, Index: index, File: f, ReadOnly: m.ReadOnly})
	return launch.Bind{Path: bound.Path, Volume: bound.Volume, File: !opened.Directory}, err
}

// targets makes the mountpoints as the caller, who cannot reach beyond what is his.
func (b *Binds) targets(
	ctx context.Context, h *helper.Session, rec session.Record, targets []launch.Target,
) error {
	if len(targets) == 0 {
		return nil
	}
	req := helper.MkdirRequest{Root: b.Host.State.User(rec.Owner).Scratch(rec.ID)}
	for _, t := range targets {
		req.Entries = append(req.Entries, helper.Entry{Path: t.Rel, File: t.File})
	}
	_, err := h.Mkdir(ctx, req)
	return err
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
