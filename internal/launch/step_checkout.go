package launch

import (
	"context"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// checkoutStep clones the repository into the scratch, as the caller.
type checkoutStep struct{}

var _ Step = checkoutStep{}

func (checkoutStep) Name() string { return StepCheckout }

// Skip also after a restart of agentd, if the clone was finished before it.
func (checkoutStep) Skip(a *Attempt) bool {
	rec := a.Record()
	return rec.Plan.Checkout == nil || rec.Staged.Commit != ""
}

func (checkoutStep) Do(ctx context.Context, a *Attempt) error {
	rec := a.Record()
	c := *rec.Plan.Checkout
	if c.HasCredential && a.Secrets.GitPassword == "" {
		return errs.New(errs.Unavailable, "clone %s: the credential that came with the launch is gone since agentd restarted",
			c.Repository).WithHint("launch the template again")
	}
	rel, ok := strings.CutPrefix(c.Target, plan.HomeDir+"/")
	if !ok {
		return errs.New(errs.Unsupported, "clone into %s: only directories under %s are staged", c.Target, plan.HomeDir)
	}
	clone, err := a.Clones.Clone(ctx, rec.Plan.User, rec.Home, c, a.Dir.Scratch, rel, a.Secrets, func(pr Progress) {
		pr.Step = StepCheckout
		a.Tell(pr)
	})
	if err != nil {
		return err
	}
	for _, w := range clone.Warnings {
		a.Tell(Note{Step: StepCheckout, Text: w})
	}
	return a.Commit(func(r *session.Record) { r.Staged.Commit = clone.Commit })
}

// Undo leaves the work tree with the rest of the scratch: a clone that failed has removed its own.
func (checkoutStep) Undo(context.Context, *Attempt) error { return nil }
