package catalog

import (
	"context"
	"errors"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// Restore undoes a deletion, under another name if one is given.
func (c *Catalog) Restore(
	_ context.Context, caller identity.Caller, owner *uint32, ref, name string,
) (api.Written, error) {
	head, err := c.findDeleted(caller, owner, ref)
	if err != nil {
		return api.Written{}, err
	}
	defer c.writing.lock(head.Owner)()
	head, ok := c.repo.Head(head.Owner, head.ID)
	if !ok || !head.Deleted() {
		return api.Written{}, errs.New(errs.Conflict, "template %q has just been restored or purged", ref)
	}
	var doc template.Document
	var kept template.Secrets
	if name == "" || name == head.Name {
		doc, kept, err = c.stored(head.Owner, head.ID, head.Number-1)
	} else {
		doc, kept, err = c.renamed(head, head.Number-1, name)
	}
	if err != nil {
		return api.Written{}, err
	}
	if err := c.freeName(head.Owner, doc.Template.Metadata.Name, head.ID); err != nil {
		if e, ok := errors.AsType[*errs.Error](err); ok {
			return api.Written{}, e.WithHint("ctl sesstpl restore %s --name NEW restores it under another name", head.ID)
		}
		return api.Written{}, err
	}
	d, err := c.drafted(doc, next(head, caller, template.CauseRestore), kept)
	if err != nil {
		return api.Written{}, err
	}
	return c.write(d, api.ActionRestored)
}
