package adapt

import (
	"context"
	"crypto/rand"
	"time"

	"agentd/internal/checkout"
	"agentd/internal/helper"
	"agentd/internal/launch"
	"agentd/internal/plan"
)

// Clones checks repositories out in a child that is the caller.
type Clones struct {
	Host *Host
	// Schemes and InsteadOf are the configuration's, for submodules and once more for the repository.
	Schemes   []string
	InsteadOf map[string]string
	Timeout   time.Duration
	// MemoryBytes bounds the child.
	MemoryBytes int64
}

// Clone makes the clone, or leaves nothing.
func (c *Clones) Clone(
	ctx context.Context, u plan.User, home string, co plan.Checkout, dir, rel string, s launch.Secrets,
	tell func(launch.Progress),
) (launch.Clone, error) {
	req := checkout.Request{
		Checkout: co, SSH: checkout.SSHOf(home, s.SSHAuthSock), Root: dir, Dir: rel, Attempt: rand.Text()[:8],
		Schemes: c.schemes(co), InsteadOf: c.InsteadOf,
		Limits: checkout.Limits{Timeout: c.Timeout, MemoryBytes: c.MemoryBytes},
	}
	if s.GitPassword != "" {
		req.Credential = &checkout.Credential{Username: s.GitUsername, Password: s.GitPassword}
	}
	//nolint:contextcheck // the end of a child is waited for whatever became of the context
	res, err := c.client(u).Checkout(ctx, req, func(p checkout.Progress) {
		unit := "objects"
		if p.Phase == checkout.Writing {
			unit = "files"
		}
		tell(launch.Progress{Done: p.Done, Total: p.Total, Unit: unit, Text: string(p.Phase)})
	})
	return launch.Clone{Commit: res.Commit, Warnings: res.Warnings}, err
}

// schemes also allows what the configuration itself has rewritten the URL to.
func (c *Clones) schemes(co plan.Checkout) []string {
	if co.URL == co.Repository {
		return c.Schemes
	}
	return append([]string{plan.Scheme(co.URL)}, c.Schemes...)
}

func (c *Clones) client(u plan.User) checkout.Client {
	starter := c.Host.Helper
	starter.Limits.MemoryBytes = c.MemoryBytes
	return checkout.Client{
		Start: func() (checkout.Helper, error) { return starter.Start(as(u)) },
	}
}

// Operations is what agentd's children can do beside the operations on files.
func Operations() helper.Table {
	return helper.Table{
		checkout.OperationName: func(ctx context.Context, c *helper.Call) (any, error) {
			return checkout.Operation(ctx, c, helper.RemoveTree)
		},
	}
}
