package launch

import (
	"context"
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
	binds, err := a.Binds.Bind(ctx, rec)
	if err != nil {
		return err
	}
	a.setBinds(binds)
	// It need not be durable by itself: what is bound is let go of from the record alone, whatever its intent.
	a.Change(func(r *session.Record) { r.Intent = "" })
	return nil
}

// Targets are the mountpoints in the scratch, for the sources that were opened. Without them the engine would make them,
// as root, through whatever links the clone has brought.
func Targets(p plan.Plan, binds []Bind) []Target {
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
