package launch

import (
	"context"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// checkoutStep clones the repository as the caller: into the scratch, or beside it if its destination lies elsewhere in
// the session, where it is then mounted.
type checkoutStep struct{}

// cloneName is the clone's directory in [Directories].Checkout.
const cloneName = "clone"

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
	dir, rel := a.Dir.Scratch, strings.TrimPrefix(c.Target, plan.HomeDir+"/")
	if c.Outside() {
		dir, rel = a.Dir.Checkout, cloneName
	}
	clone, err := a.Clones.Clone(ctx, rec.Owner, rec.Plan.User, rec.Home, c, dir, rel, a.Secrets, func(pr Progress) {
		pr.Step = StepCheckout
		a.Tell(pr)
	})
	if err != nil {
		return err
	}
	for _, w := range clone.Warnings {
		a.Tell(Note{Step: StepCheckout, Text: w})
	}
	return a.Commit(func(r *session.Record) {
		r.Staged.Commit, r.Staged.CloneOrigin, r.Staged.CloneCopied = clone.Commit, clone.Origin, clone.Copied
	})
}

// Undo leaves the work tree with the rest of the scratch: a clone that failed has removed its own.
func (checkoutStep) Undo(context.Context, *Attempt) error { return nil }
