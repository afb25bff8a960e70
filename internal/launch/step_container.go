package launch

import (
	"context"
	"path/filepath"
	"strconv"

	"agentd/internal/job"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// containerStep makes the container; nothing of the template is in its configuration but limits and mounts.
type containerStep struct{}

var _ Step = containerStep{}

func (containerStep) Name() string       { return StepContainer }
func (containerStep) Skip(*Attempt) bool { return false }

func (containerStep) Do(ctx context.Context, a *Attempt) error {
	parent, err := a.Limits.Parent(ctx)
	if err != nil {
		return err
	}
	if err := a.Commit(func(r *session.Record) { r.Intent = "create the container" }); err != nil {
		return err
	}
	// Not cancelled in the middle: an engine that was told to create does so, and then it would be after the undo.
	id, err := a.Containers.Create(context.WithoutCancel(ctx), a.container(parent))
	if err != nil {
		return err
	}
	// Durable with the intent to start it, which is next: until then the container is found by its name and nonce.
	a.Change(func(r *session.Record) { r.Intent, r.Staged.ContainerID = "", id })
	return nil
}

// container is pure but for the attempt's own memory.
func (a *Attempt) container(parent string) Container {
	rec := a.Record()
	return Container{
		Name: layout.ContainerName(rec.ID), Hostname: rec.ID, ImageID: rec.Staged.ImageID,
		Nonce: rec.Nonce, Owner: strconv.FormatUint(uint64(rec.Owner), 10), User: rec.Plan.User, Mounts: a.mounts(rec),
		Limits: rec.Plan.Limits, Parent: parent, Network: rec.Plan.Network,
	}
}

// mounts are agentd-init, the session's own directories, and the plan's, in the order in which they lie over one another.
func (a *Attempt) mounts(rec session.Record) []Mount {
	list := []Mount{
		{Bind: Bind{Path: a.Dir.Scratch}, Target: plan.HomeDir},
		{Bind: Bind{Path: a.InitPath}, Target: job.InitPath, ReadOnly: true},
		{Bind: Bind{Path: a.Dir.Session.Run()}, Target: job.Dir},
		{Bind: Bind{Path: a.Dir.Session.Passwd()}, Target: "/etc/passwd", ReadOnly: true},
		{Bind: Bind{Path: a.Dir.Session.Group()}, Target: "/etc/group", ReadOnly: true},
	}
	if c := rec.Plan.Checkout; c != nil && c.Outside() {
		list = append(list, Mount{Bind: Bind{Path: filepath.Join(a.Dir.Checkout, cloneName)}, Target: c.Target})
	}
	binds := a.heldBinds()
	for i, m := range rec.Plan.Mounts {
		list = append(list, Mount{Bind: binds[i], Target: m.Target, ReadOnly: m.ReadOnly})
	}
	return list
}

func (containerStep) Undo(ctx context.Context, a *Attempt) error {
	rec := a.Record()
	return a.Containers.Remove(ctx, layout.ContainerName(rec.ID), rec.Nonce)
}
