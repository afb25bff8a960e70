package adapt

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"agentd/internal/atomicfile"
	"agentd/internal/checkout"
	"agentd/internal/errs"
	"agentd/internal/helper"
	"agentd/internal/launch"
	"agentd/internal/layout"
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
	// CacheMax bounds what is kept of one owner's repositories, in bytes; 0 keeps nothing.
	CacheMax int64
	// CAFile has certificates to trust beside the system's; "" for none.
	CAFile string
}

// Clone makes the clone, or leaves nothing.
func (c *Clones) Clone(
	ctx context.Context, owner uint32, u plan.User, home string, co plan.Checkout, dir, rel string, s launch.Secrets,
	tell func(launch.Progress),
) (launch.Clone, error) {
	req := checkout.Request{
		Checkout: co, SSH: checkout.SSHOf(home, s.SSHAuthSock), Root: dir, Dir: rel,
		Attempt: strings.ReplaceAll(filepath.Base(dir), ".", "-"),
		Schemes: c.schemes(co), InsteadOf: c.InsteadOf,
		Limits: checkout.Limits{Timeout: c.Timeout, MemoryBytes: c.MemoryBytes},
	}
	var err error
	if req.CABundle, err = c.authorities(); err != nil {
		return launch.Clone{}, err
	}
	if req.Cache, err = c.cache(owner, u); err != nil {
		return launch.Clone{}, err
	}
	if s.GitPassword != "" {
		req.Credential = &checkout.Credential{Username: s.GitUsername, Password: s.GitPassword}
	}
	if err := c.vacate(ctx, u, req); err != nil {
		return launch.Clone{}, err
	}
	//nolint:contextcheck // the end of a child is waited for whatever became of the context
	res, err := c.client(u).Checkout(ctx, req, func(p checkout.Progress) {
		unit := "objects"
		if p.Phase == checkout.Writing {
			unit = "files"
		}
		tell(launch.Progress{Done: p.Done, Total: p.Total, Unit: unit, Text: string(p.Phase)})
	})
	return launch.Clone{
		Commit: res.Commit, Warnings: res.Warnings, Origin: res.Origin, Copied: res.Copied,
	}, err
}

// cache makes the directory of what is fetched for an owner as u: it is his, beneath directories that are root's, so that
// nobody else can put anything in its place.
func (c *Clones) cache(owner uint32, u plan.User) (checkout.Cache, error) {
	if c.CacheMax <= 0 {
		return checkout.Cache{}, nil
	}
	user := c.Host.State.User(owner)
	dir := user.GitCache(u.UID)
	err := atomicfile.MkdirAll(user.GitCaches(), layout.ModePassDir)
	if err == nil {
		err = atomicfile.MkdirAll(dir, layout.ModePrivateDir)
	}
	if err != nil {
		return checkout.Cache{}, errs.New(errs.CodeOf(err), "make %s: %w", dir, err)
	}
	if c.Host.Root {
		if err := give(dir, u); err != nil {
			return checkout.Cache{}, err
		}
	}
	return checkout.Cache{Dir: dir, MaxBytes: c.CacheMax}, nil
}

// maxAuthorities bounds the file of certificates, in bytes: it goes through the helper's pipe.
const maxAuthorities = 1 << 20

// authorities reads the certificates anew for each clone: they are renewed while agentd runs.
func (c *Clones) authorities() ([]byte, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	f, err := os.Open(c.CAFile)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "git.ca_file: %w", err).WithHint("put it there, or change the configuration")
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxAuthorities+1))
	if err != nil {
		return nil, errs.New(errs.Unavailable, "git.ca_file: %w", err)
	}
	if len(text) > maxAuthorities {
		return nil, errs.New(errs.TooLarge, "git.ca_file: %s has more than %d bytes", c.CAFile, maxAuthorities)
	}
	return text, nil
}

// vacate removes what an agentd that was killed may have left of this session's clone. The directory is the session's
// alone, and the session has not run: what is at the clone's place is an earlier clone that nobody recorded.
func (c *Clones) vacate(ctx context.Context, u plan.User, req checkout.Request) error {
	if err := c.client(u).Undo(ctx, req); err != nil { //nolint:contextcheck // the end of a child is waited for
		return err
	}
	return c.Host.help(u, func(h *helper.Session) error { //nolint:contextcheck // see help
		return h.Remove(ctx, helper.RemoveRequest{Root: req.Root, Path: req.Dir})
	})
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
		opCopy: serveCopy,
		checkout.OperationName: func(ctx context.Context, c *helper.Call) (any, error) {
			return checkout.Operation(ctx, c, helper.RemoveTree)
		},
	}
}
