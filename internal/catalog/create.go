package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// Create stores every template of the documents in src, or none. The file is the name that its author knows it by.
func (c *Catalog) Create(
	_ context.Context, caller identity.Caller, owner *uint32, file string, src []byte,
) (api.WrittenList, error) {
	return c.putAll(caller, owner, file, src, false)
}

// Apply is Create for names that are new, and Update for the templates that there are already.
func (c *Catalog) Apply(
	_ context.Context, caller identity.Caller, owner *uint32, file string, src []byte,
) (api.WrittenList, error) {
	return c.putAll(caller, owner, file, src, true)
}

// change is one template of a request with documents: what is there, and what shall be.
type change struct {
	head   template.Revision
	exists bool
	draft  draft
}

func (c *Catalog) putAll(
	caller identity.Caller, owner *uint32, file string, src []byte, update bool,
) (api.WrittenList, error) {
	uid, err := ownerOf(caller, owner)
	if err != nil {
		return api.WrittenList{}, err
	}
	docs, err := template.Parse(file, src)
	if err != nil {
		return api.WrittenList{}, err
	}
	defer c.writing.lock(uid)()
	if err := c.namesFree(uid, file, docs, update); err != nil {
		return api.WrittenList{}, err
	}
	changes := make([]change, 0, len(docs))
	for _, doc := range docs {
		ch, err := c.prepare(uid, caller, doc)
		if err != nil {
			return api.WrittenList{}, err
		}
		changes = append(changes, ch)
	}
	news := slices.DeleteFunc(slices.Clone(changes), func(ch change) bool { return ch.exists })
	if err := c.room(uid, len(news)); err != nil {
		return api.WrittenList{}, err
	}
	return c.commit(changes)
}

// room refuses more templates than an owner may have.
func (c *Catalog) room(owner uint32, more int) error {
	most := c.keeping().Most
	if most == 0 || more == 0 {
		return nil
	}
	if have := len(c.repo.List(owner, false, "", "", most+1)); have+more > most {
		return errs.New(errs.Forbidden, "%d more templates: the quota is %d, and there are %d", more, most, have).
			WithHint("delete some that are no longer needed: ctl sesstpl delete NAME")
	}
	return nil
}

// namesFree lists every name that stands twice in the documents or, unless update is allowed, is taken.
func (c *Catalog) namesFree(owner uint32, file string, docs []template.Document, update bool) error {
	var twice []errs.Problem
	var taken []string
	seen := map[string]int{}
	for _, doc := range docs {
		name := doc.Template.Metadata.Name
		if line, ok := seen[name]; ok {
			twice = append(twice, errs.Problem{
				File: file, Line: doc.Line, Column: 1, Path: "metadata.name", Rule: "duplicate-name",
				Message: fmt.Sprintf("name %q stands already in the template at line %d", name, line),
			})
			continue
		}
		seen[name] = doc.Line
		if other, ok := c.repo.ByName(owner, name); ok && !update {
			taken = append(taken, fmt.Sprintf("%q is taken by %s", name, other.ID))
		}
	}
	if len(twice) > 0 {
		return &errs.Error{Code: errs.Invalid, Message: "the documents are not valid", Problems: twice}
	}
	if len(taken) == 0 {
		return nil
	}
	return errs.New(errs.Conflict, "template name %s", strings.Join(taken, ", ")).
		WithHint("ctl sesstpl update changes one, ctl sesstpl apply creates or changes; or give another metadata.name")
}

// prepare makes the draft of one document, as the next revision of the template of its name or as the first of a new one.
func (c *Catalog) prepare(owner uint32, caller identity.Caller, doc template.Document) (change, error) {
	head, exists := c.repo.ByName(owner, doc.Template.Metadata.Name)
	if !exists {
		base, err := c.first(owner, caller, template.CauseCreate)
		if err != nil {
			return change{}, err
		}
		d, err := c.drafted(doc, base, nil)
		return change{draft: d}, err
	}
	kept, err := c.keptSecrets(head)
	if err != nil {
		return change{}, err
	}
	d, err := c.drafted(doc, next(head, caller, template.CauseUpdate), kept)
	return change{head: head, exists: true, draft: d}, err
}

// keptSecrets reads the secrets of a revision, if it has any.
func (c *Catalog) keptSecrets(r template.Revision) (template.Secrets, error) {
	if !r.HasSecrets {
		return nil, nil
	}
	return c.repo.Secrets(r.Owner, r.ID, r.Number)
}

// commit writes the changes in order. If one fails, the new templates among those before it are taken back: nobody was
// told of them. Updates before it stay, and the error says so.
func (c *Catalog) commit(changes []change) (api.WrittenList, error) {
	done := api.WrittenList{Written: make([]api.Written, 0, len(changes))}
	for _, ch := range changes {
		written, err := c.commitOne(ch)
		if err != nil {
			return api.WrittenList{}, c.takeBack(done.Written, err)
		}
		done.Written = append(done.Written, written)
	}
	return done, nil
}

func (c *Catalog) commitOne(ch change) (api.Written, error) {
	if !ch.exists {
		return c.write(ch.draft, api.ActionCreated)
	}
	same, err := c.same(ch.head, ch.draft)
	if err != nil {
		return api.Written{}, err
	}
	if same {
		return c.unchanged(ch.head, ch.draft.warn), nil
	}
	return c.write(ch.draft, api.ActionUpdated)
}

func (c *Catalog) takeBack(written []api.Written, cause error) error {
	updated := 0
	for _, w := range written {
		switch w.Action {
		case api.ActionCreated:
			if err := c.repo.Purge(w.Template.OwnerUID, w.Template.ID); err != nil {
				c.log.Error("take back a template of a failed request", "template", w.Template.ID, "error", err)
			}
		case api.ActionUpdated:
			updated++
		}
	}
	if updated == 0 {
		return cause
	}
	return errs.New(errs.CodeOf(cause), "%w (%d templates before it in the file are updated)", cause, updated)
}
