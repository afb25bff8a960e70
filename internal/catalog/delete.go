package catalog

import (
	"context"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// Delete ends a template; it can be restored until it is purged. With purge it is gone at once and for good, also if it
// was deleted before.
func (c *Catalog) Delete(
	_ context.Context, caller identity.Caller, owner *uint32, ref string, ifRevision int, purge bool,
) (api.Written, error) {
	head, unlock, err := c.findToChange(caller, owner, ref, ifRevision)
	if errs.Is(err, errs.NotFound) && purge {
		return c.purgeDeleted(caller, owner, ref)
	}
	if err != nil {
		return api.Written{}, err
	}
	defer unlock()
	if purge {
		return c.purge(head)
	}
	rev := next(head, caller, template.CauseDelete)
	rev.Time = c.now().UTC()
	rev.Size, rev.SHA256, rev.HasSecrets = 0, "", false
	return c.write(draft{rev: rev}, api.ActionDeleted)
}

func (c *Catalog) purgeDeleted(caller identity.Caller, owner *uint32, ref string) (api.Written, error) {
	head, err := c.findDeleted(caller, owner, ref)
	if err != nil {
		return api.Written{}, err
	}
	defer c.writing.lock(head.Owner)()
	return c.purge(head)
}

func (c *Catalog) purge(head template.Revision) (api.Written, error) {
	if err := c.repo.Purge(head.Owner, head.ID); err != nil {
		return api.Written{}, err
	}
	return api.Written{Action: api.ActionPurged, Template: c.describe(head)}, nil
}

// purgeIfDue purges a deleted template whose time has come, unless it has been restored since it was listed.
func (c *Catalog) purgeIfDue(listed template.Revision, due time.Time) {
	if listed.Time.After(due) {
		return
	}
	defer c.writing.lock(listed.Owner)()
	head, ok := c.repo.Head(listed.Owner, listed.ID)
	if !ok || head.Number != listed.Number {
		return
	}
	if err := c.repo.Purge(head.Owner, head.ID); err != nil {
		c.log.Error("purge a deleted template", "template", head.ID, "owner", head.Owner, "error", err)
	}
}
