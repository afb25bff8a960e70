package catalog

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// Copy makes a new template of the same owner from the newest text of another, secrets included, under another name.
func (c *Catalog) Copy(
	_ context.Context, caller identity.Caller, owner *uint32, ref, name string,
) (api.Written, error) {
	head, unlock, err := c.findToChange(caller, owner, ref, 0)
	if err != nil {
		return api.Written{}, err
	}
	defer unlock()
	doc, kept, err := c.renamed(head, head.Number, name)
	if err != nil {
		return api.Written{}, err
	}
	if err := c.freeName(head.Owner, name, ""); err != nil {
		return api.Written{}, err
	}
	if err := c.room(head.Owner, 1); err != nil {
		return api.Written{}, err
	}
	base, err := c.first(head.Owner, caller, template.CauseCopy(head.Name))
	if err != nil {
		return api.Written{}, err
	}
	d, err := c.drafted(doc, base, kept)
	if err != nil {
		return api.Written{}, err
	}
	return c.write(d, api.ActionCreated)
}

// renamed reads a revision back under another name; the text stays as it is but for the name.
func (c *Catalog) renamed(
	head template.Revision, revision int, name string,
) (template.Document, template.Secrets, error) {
	text, err := c.repo.Text(head.Owner, head.ID, revision)
	if err != nil {
		return template.Document{}, nil, err
	}
	secrets, err := c.repo.Secrets(head.Owner, head.ID, revision)
	if err != nil {
		return template.Document{}, nil, err
	}
	text, err = template.Rename(text, name)
	if err != nil {
		return template.Document{}, nil, err
	}
	doc, err := template.ParseOne("", text)
	return doc, secrets, err
}
