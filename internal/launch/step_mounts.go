package launch

import (
	"context"
	"fmt"
	"strings"

	"agentd/internal/plan"
	"agentd/internal/session"
)

// mountsStep opens the sources as the caller and holds them, and makes the mountpoints in the scratch.
type mountsStep struct{}

var _ Step = mountsStep{}

func (mountsStep) Name() string         { return StepMounts }
func (mountsStep) Skip(a *Attempt) bool { return len(a.Record().Plan.Mounts) == 0 }

func (mountsStep) Do(ctx context.Context, a *Attempt) error {
	rec := a.Record()
	if err := a.Commit(func(r *session.Record) { r.Intent = "bind the sources of the mounts" }); err != nil {
		return err
	}
	binds := make([]Bind, 0, len(rec.Plan.Mounts))
	for i, m := range rec.Plan.Mounts {
		b, err := a.Binds.Bind(ctx, rec, i)
		if err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
		binds = append(binds, b)
	}
	a.setBinds(binds)
	if err := a.Scratches.Targets(ctx, rec, targets(rec.Plan, binds)); err != nil {
		return err
	}
	return a.Commit(func(r *session.Record) { r.Intent = "" })
}

// targets are the mountpoints in the scratch. Without them the engine would make them, as root, through whatever links
// the clone has brought.
func targets(p plan.Plan, binds []Bind) []Target {
	var list []Target
	for i, m := range p.Mounts {
		if rel, ok := strings.CutPrefix(m.Target, plan.HomeDir+"/"); ok {
			list = append(list, Target{Rel: rel, File: binds[i].File})
		}
	}
	return list
}

func (mountsStep) Undo(ctx context.Context, a *Attempt) error {
	return a.Binds.Release(ctx, a.Record())
}
