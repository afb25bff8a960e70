package planner

import (
	"context"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/supervisor"
	"agentd/internal/template"
)

// again resolves the plan of an earlier session once more: the same commit and image, unless the request asks for
// others. What the configuration decides is decided anew, and so is who runs it: the caller.
func (p *Planner) again(
	ctx context.Context, caller identity.Caller, req supervisor.Request,
) (plan.Resolved, launch.Secrets, error) {
	rec, o := *req.Again, req.Overrides
	tpl := rec.Plan.Again(rec.Provenance)
	secrets := req.Secrets
	if git := tpl.Spec.Kernel.Git; git != nil {
		if rec.Staged.Commit != "" {
			git.Commit = rec.Staged.Commit
		}
		if rec.Plan.Checkout.HasCredential {
			var err error
			if git.Credential, err = p.credentialOf(ctx, caller, rec.Plan.Template, req.Secrets); err != nil {
				return plan.Resolved{}, secrets, err
			}
		}
	}
	facts, err := p.facts(ctx, caller, tpl, o)
	if err != nil {
		return plan.Resolved{}, secrets, err
	}
	resolved, err := plan.Resolve(plan.Input{Ref: rec.Plan.Template, Template: tpl, Overrides: o, Facts: facts})
	if err != nil {
		return plan.Resolved{}, secrets, err
	}
	if o.Image == "" && o.Architecture == "" && o.PullPolicy == "" && rec.Staged.ImageID != "" {
		resolved.Plan.Image.Pinned = &plan.Pin{ID: rec.Staged.ImageID, Digest: rec.Staged.ImageDigest}
	}
	secrets, err = credential(req.Secrets, tpl)
	return resolved, secrets, err
}

// credentialOf is the git credential of the template that a session was made from. If that is gone, what the request
// brings has to do.
func (p *Planner) credentialOf(
	ctx context.Context, caller identity.Caller, ref plan.TemplateRef, brought launch.Secrets,
) (*template.Credential, error) {
	_, tpl, err := p.o.Templates.Document(ctx, caller, ref.ID, ref.Revision)
	switch {
	case err == nil && tpl.Spec.Kernel.Git != nil && tpl.Spec.Kernel.Git.Credential != nil:
		return tpl.Spec.Kernel.Git.Credential, nil
	case err != nil && !errs.Is(err, errs.NotFound):
		return nil, err
	case brought.GitPassword != "":
		return &template.Credential{Username: brought.GitUsername, Password: brought.GitPassword}, nil
	}
	return nil, errs.New(errs.NotFound, "the git credential is gone with template %q (%s)", ref.Name, ref.ID).
		WithHint("ctl sesstpl restore %s brings a deleted template back", ref.ID)
}
