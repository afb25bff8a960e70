package launch

import (
	"context"
	"encoding/json"

	"agentd/internal/errs"
	"agentd/internal/job"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// startStep hands agentd-init its job and starts the container; from then on the session needs nobody.
type startStep struct{}

var _ Step = startStep{}

// IntentStart is the intent of a record whose container was about to be started.
const IntentStart = "start the container"

func (startStep) Name() string       { return StepStart }
func (startStep) Skip(*Attempt) bool { return false }

func (startStep) Do(ctx context.Context, a *Attempt) error {
	rec := a.Record()
	raw, err := json.Marshal(Job(rec, a.Image()))
	if err != nil {
		return errs.New(errs.Internal, "write the job of session %s: %w", rec.ID, err)
	}
	if err := a.Scratches.Hand(ctx, rec, job.FileName, raw); err != nil {
		return err
	}
	if err := a.Commit(func(r *session.Record) { r.Intent, r.Staged.BootID = IntentStart, a.BootID }); err != nil {
		return err
	}
	pid, err := a.Containers.Start(ctx, rec.Staged.ContainerID)
	if err != nil {
		return err
	}
	applied, err := a.Limits.Verify(ctx, rec.Staged.ContainerID, pid, rec.Plan.Limits)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return a.Commit(func(r *session.Record) {
		r.Intent = ""
		// A job can be over before anybody can look at its limits.
		if err == nil {
			r.Staged.Applied = &applied
		}
	})
}

// Undo is the container's.
func (startStep) Undo(context.Context, *Attempt) error { return nil }

// Job is what agentd-init is told: pure.
func Job(rec session.Record, image Image) job.Job {
	p := rec.Plan
	id := plan.Identity{SessionID: rec.ID, UserName: rec.OwnerName, ImageID: rec.Staged.ImageID}
	if a := rec.Queue.Array; a != nil {
		id.ArrayID, id.ArrayIndex, id.ArrayCount = a.ID, a.Index, a.Count
	}
	if r := rec.Queue.Retry; r != nil {
		id.Attempt = r.Done + 1
	}
	env := p.Environment(image.Env, id)
	j := job.Job{
		Version: job.Version, Session: rec.ID, Nonce: rec.Nonce, Batch: p.Type == session.Batch, Dir: plan.HomeDir,
		StopGrace: p.Steps.StopGrace, LogMaxBytes: p.Steps.LogMaxBytes, Env: make([]string, 0, len(env)),
	}
	for _, v := range env {
		j.Env = append(j.Env, v.Name+"="+v.Value)
	}
	if p.Steps.Bootstrap != "" {
		j.Steps = append(j.Steps, job.Step{
			Name: job.Bootstrap, Argv: shell(p.Steps.Bootstrap), Timeout: p.Steps.BootstrapTimeout,
		})
	}
	startup := shell(p.Steps.Startup)
	if p.Steps.StartupFromImage {
		startup = append(append([]string{}, image.Entrypoint...), image.Cmd...)
	}
	if p.Steps.StartupFromImage || p.Steps.Startup != "" {
		step := job.Step{Name: job.Startup, Argv: startup, TTY: p.Steps.TTY}
		if j.Batch {
			// An interactive session's limit is for the whole of it: the supervisor keeps it.
			step.Timeout = p.Steps.Timeout
		}
		j.Steps = append(j.Steps, step)
	}
	return j
}

// shell is how a script becomes a command.
func shell(script string) []string { return []string{"/bin/sh", "-c", script} }
