package catalog

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// Update replaces the text of a template by the one document in src. With ifRevision, only if that is still the newest
// revision. A document that changes nothing makes no revision.
func (c *Catalog) Update(
	_ context.Context, caller identity.Caller, owner *uint32, ref, file string, src []byte, ifRevision int,
) (api.Written, error) {
	doc, err := template.ParseOne(file, src)
	if err != nil {
		return api.Written{}, err
	}
	return c.change(caller, owner, ref, ifRevision, template.CauseUpdate, api.ActionUpdated,
		func(head template.Revision) (template.Document, template.Secrets, error) {
			kept, err := c.keptSecrets(head)
			return doc, kept, err
		})
}

// Rollback makes the text of an older revision, and the secrets that went with it, the newest.
func (c *Catalog) Rollback(
	_ context.Context, caller identity.Caller, owner *uint32, ref string, revision, ifRevision int,
) (api.Written, error) {
	return c.change(caller, owner, ref, ifRevision, template.CauseRollback(revision), api.ActionRolledBack,
		func(head template.Revision) (template.Document, template.Secrets, error) {
			return c.stored(head.Owner, head.ID, revision)
		})
}

// stored reads a revision back as a document.
func (c *Catalog) stored(owner uint32, id string, revision int) (template.Document, template.Secrets, error) {
	text, err := c.repo.Text(owner, id, revision)
	if err != nil {
		return template.Document{}, nil, err
	}
	secrets, err := c.repo.Secrets(owner, id, revision)
	if err != nil {
		return template.Document{}, nil, err
	}
	doc, err := template.ParseOne(id, text)
	return doc, secrets, err
}

// source gives the document that shall be the newest, and the secrets that its markers stand for.
type source func(head template.Revision) (template.Document, template.Secrets, error)

// change makes the next revision of a living template.
func (c *Catalog) change(
	caller identity.Caller, owner *uint32, ref string, ifRevision int, cause template.Cause, action string, from source,
) (api.Written, error) {
	head, unlock, err := c.findToChange(caller, owner, ref, ifRevision)
	if err != nil {
		return api.Written{}, err
	}
	defer unlock()
	doc, kept, err := from(head)
	if err != nil {
		return api.Written{}, err
	}
	if err := c.freeName(head.Owner, doc.Template.Metadata.Name, head.ID); err != nil {
		return api.Written{}, err
	}
	d, err := c.drafted(doc, next(head, caller, cause), kept)
	if err != nil {
		return api.Written{}, err
	}
	same, err := c.same(head, d)
	if err != nil {
		return api.Written{}, err
	}
	if same {
		return c.unchanged(head, d.warn), nil
	}
	return c.write(d, action)
}

// findToChange finds a living template and holds its owner's lock; the caller lets go of it.
func (c *Catalog) findToChange(
	caller identity.Caller, owner *uint32, ref string, ifRevision int,
) (template.Revision, func(), error) {
	// The owner is known only when it is found, and it may change before it is locked: so it is found again.
	head, err := c.find(caller, owner, ref)
	if err != nil {
		return template.Revision{}, nil, err
	}
	unlock := c.writing.lock(head.Owner)
	head, err = c.find(caller, &head.Owner, head.ID)
	if err == nil {
		err = checkRevision(head, ifRevision)
	}
	if err != nil {
		unlock()
		return template.Revision{}, nil, err
	}
	return head, unlock, nil
}
