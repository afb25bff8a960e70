package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// draft is a revision that is ready to be written.
type draft struct {
	rev     template.Revision
	text    []byte
	secrets template.Secrets
	warn    []errs.Problem
}

// drafted makes the revision of a document. The fields that tell one template from another (ID, Number, Created and so
// on) come from base; kept are the secrets that markers in the document stand for.
func (c *Catalog) drafted(
	doc template.Document, base template.Revision, kept template.Secrets,
) (draft, error) {
	text, secrets, err := doc.Redact()
	if err != nil {
		return draft{}, err
	}
	for _, path := range doc.Kept() {
		value, ok := kept[path]
		if !ok {
			return draft{}, nothingKept(doc, path)
		}
		if secrets == nil {
			secrets = template.Secrets{}
		}
		secrets[path] = value
	}
	sum := sha256.Sum256(text)
	t, rev := doc.Template, base
	rev.Time = c.now().UTC()
	if rev.Created.IsZero() {
		rev.Created = rev.Time
	}
	rev.Name, rev.Tag, rev.Type = t.Metadata.Name, t.Metadata.Tag, t.Spec.Type
	rev.Image, rev.Architecture = t.Spec.Kernel.Image, t.Spec.Kernel.Architecture
	rev.Description, rev.Labels = t.Extension.Description, t.Extension.Labels
	rev.Size, rev.SHA256, rev.HasSecrets = len(text), hex.EncodeToString(sum[:]), len(secrets) > 0
	return draft{rev: rev, text: text, secrets: secrets, warn: doc.Warnings}, nil
}

// nothingKept refuses a marker that stands for nothing.
func nothingKept(doc template.Document, path string) error {
	return errs.New(errs.Invalid, "template %q: %s is %s, but no secret is kept for it",
		doc.Template.Metadata.Name, path, template.Marker).
		WithHint("write the secret itself, or a reference such as ${env:NAME} or ${file:/path}")
}

// write makes a draft durable and drops what is now too old.
func (c *Catalog) write(d draft, action string) (api.Written, error) {
	if err := c.repo.Write(d.rev, d.text, d.secrets); err != nil {
		return api.Written{}, err
	}
	// A deleted template is restored from the revision before the deletion: never keep less than two.
	if err := c.repo.Prune(d.rev.Owner, d.rev.ID, max(2, c.keeping().Revisions)); err != nil {
		c.log.Warn("drop old revisions", "template", d.rev.ID, "owner", d.rev.Owner, "error", err)
	}
	return api.Written{Action: action, Template: c.describe(d.rev), Warnings: d.warn}, nil
}

// unchanged says that there was nothing to write.
func (c *Catalog) unchanged(head template.Revision, warn []errs.Problem) api.Written {
	return api.Written{Action: api.ActionUnchanged, Template: c.describe(head), Warnings: warn}
}

// next is the base of the revision after head.
func next(head template.Revision, caller identity.Caller, cause template.Cause) template.Revision {
	rev := head
	rev.Number++
	rev.Cause, rev.Author = cause, caller.UID
	return rev
}

// first is the base of the first revision of a new template.
func (c *Catalog) first(owner uint32, caller identity.Caller, cause template.Cause) (template.Revision, error) {
	id, err := c.newID()
	return template.Revision{ID: id, Owner: owner, Number: 1, Cause: cause, Author: caller.UID}, err
}

// freeName refuses a name that another living template of the owner has.
func (c *Catalog) freeName(owner uint32, name, id string) error {
	other, taken := c.repo.ByName(owner, name)
	if !taken || other.ID == id {
		return nil
	}
	return errs.New(errs.Conflict, "template name %q is taken by %s", name, other.ID)
}

// same reports whether writing d would change nothing but the time.
func (c *Catalog) same(head template.Revision, d draft) (bool, error) {
	if head.Deleted() || head.SHA256 != d.rev.SHA256 || head.HasSecrets != d.rev.HasSecrets {
		return false, nil
	}
	if !head.HasSecrets {
		return true, nil
	}
	secrets, err := c.repo.Secrets(head.Owner, head.ID, head.Number)
	return maps.Equal(secrets, d.secrets), err
}

// checkRevision refuses a change that was made from another revision than the newest; 0 means that the caller does not
// care.
func checkRevision(head template.Revision, want int) error {
	if want == 0 || want == head.Number {
		return nil
	}
	return errs.New(errs.Stale, "template %q is at revision %d, not %d: somebody else changed it",
		head.Name, head.Number, want).
		WithHint("ctl sesstpl diff %s %d shows what changed; make your change again from the newest", head.ID, want)
}
