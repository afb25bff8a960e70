// Package catalog is the life of templates, from create to restore; it alone writes their records.
package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/template"
)

// finder finds templates by what a person types. The store keeps these answers in memory.
type finder interface {
	// Head returns the newest revision of the template with that exact id.
	Head(owner uint32, id string) (template.Revision, bool)
	// ByName returns the living template of that name.
	ByName(owner uint32, name string) (template.Revision, bool)
	// ByPrefix returns a few of those whose id begins so, deleted ones if asked for.
	ByPrefix(owner uint32, prefix string, deleted bool) []template.Revision
}

// lister walks over templates.
type lister interface {
	// List returns a page, sorted by name and id, of what comes after that pair.
	List(owner uint32, deleted bool, afterName, afterID string, limit int) []template.Revision
	// DeletedByName returns the deleted templates of that name, the newest deletion first.
	DeletedByName(owner uint32, name string) []template.Revision
	// Owners returns who has templates at all; Owner, whose the id is.
	Owners() []uint32
	Owner(id string) (uint32, bool)
}

// reader reads what lies on disk.
type reader interface {
	Text(owner uint32, id string, number int) ([]byte, error)
	Secrets(owner uint32, id string, number int) (template.Secrets, error)
	Revisions(owner uint32, id string) ([]template.Revision, error)
}

// writer changes what lies on disk; each call is all or nothing, also when the machine dies in the middle of it.
type writer interface {
	Write(rev template.Revision, text []byte, secrets template.Secrets) error
	Purge(owner uint32, id string) error
	Prune(owner uint32, id string, keep int) error
}

// Repository keeps templates; package store has the one for disks.
type Repository interface {
	finder
	lister
	reader
	writer
}

// Keeping says how long what is no longer current is kept.
type Keeping struct {
	// Deleted is how long a deleted template can be restored.
	Deleted time.Duration
	// Revisions is the number of revisions kept of a template, at least 1.
	Revisions int
	// Most is how many living templates an owner may have; 0 for no bound.
	Most int
}

// Options are what a [Catalog] needs beside its repository; the zero value is right outside tests.
type Options struct {
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Random is the source of ids; crypto/rand by default.
	Random io.Reader
	// Log gets what no caller is told.
	Log *slog.Logger
}

// Catalog is safe for concurrent use. Its methods return errors of package errs.
type Catalog struct {
	repo   Repository
	now    func() time.Time
	random io.Reader
	log    *slog.Logger

	// keepMu guards keep.
	keepMu sync.RWMutex
	keep   Keeping

	// writing makes every change of one owner's templates one after another: names are unique among them, and an update
	// names the revision that it was made from.
	writing lockTable
}

// New returns a catalog over repo.
func New(repo Repository, keep Keeping, o Options) *Catalog {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Catalog{
		repo: repo, keep: keep, now: o.Now, random: o.Random,
		log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
	}
}

// SetKeeping replaces how long things are kept, for a reload of the configuration.
func (c *Catalog) SetKeeping(k Keeping) {
	c.keepMu.Lock()
	defer c.keepMu.Unlock()
	c.keep = k
}

func (c *Catalog) keeping() Keeping {
	c.keepMu.RLock()
	defer c.keepMu.RUnlock()
	return c.keep
}

// Get returns what a list shows of one template.
func (c *Catalog) Get(_ context.Context, caller identity.Caller, owner *uint32, ref string) (api.Template, error) {
	head, err := c.find(caller, owner, ref)
	if err != nil {
		return api.Template{}, err
	}
	return c.describe(head), nil
}

// Text returns the text of a revision byte for byte as its author wrote it, and the revision's number; revision 0 means
// the newest. Literal secrets are markers unless the owner himself asks to see them.
func (c *Catalog) Text(
	_ context.Context, caller identity.Caller, owner *uint32, ref string, revision int, showSecrets bool,
) ([]byte, int, error) {
	head, err := c.find(caller, owner, ref)
	if err != nil {
		return nil, 0, err
	}
	if showSecrets && caller.UID != head.Owner {
		return nil, 0, errs.New(errs.Forbidden, "show the secrets of template %q: only its owner may", head.Name)
	}
	number := cmp.Or(revision, head.Number)
	text, err := c.repo.Text(head.Owner, head.ID, number)
	if err != nil || !showSecrets {
		return text, number, err
	}
	secrets, err := c.repo.Secrets(head.Owner, head.ID, number)
	if err != nil {
		return nil, 0, err
	}
	text, err = template.Reveal(text, secrets)
	return text, number, err
}

// History returns the revisions of a template, newest first; it is there for a deleted one too, by its id.
func (c *Catalog) History(
	_ context.Context, caller identity.Caller, owner *uint32, ref string,
) (api.History, error) {
	head, err := c.find(caller, owner, ref)
	if errs.Is(err, errs.NotFound) {
		head, err = c.findDeleted(caller, owner, ref)
	}
	if err != nil {
		return api.History{}, err
	}
	revs, err := c.repo.Revisions(head.Owner, head.ID)
	if err != nil {
		return api.History{}, err
	}
	h := api.History{ID: head.ID, Revisions: make([]api.Revision, 0, len(revs))}
	for _, r := range revs {
		h.Revisions = append(h.Revisions, api.Revision{
			Revision: r.Number, Cause: string(r.Cause), Time: r.Time, AuthorUID: r.Author,
			Name: r.Name, Size: r.Size, SHA256: r.SHA256,
		})
	}
	return h, nil
}

// describe is the wire's form of a head.
func (c *Catalog) describe(r template.Revision) api.Template {
	t := api.Template{
		ID: r.ID, Name: r.Name, Tag: r.Tag, OwnerUID: r.Owner, Revision: r.Number,
		CreatedAt: r.Created, UpdatedAt: r.Time, Type: string(r.Type), Image: r.Image,
		Architecture: r.Architecture, Description: r.Description, Labels: r.Labels, HasSecrets: r.HasSecrets,
	}
	if r.Deleted() {
		deleted, purge := r.Time, r.Time.Add(c.keeping().Deleted)
		t.DeletedAt, t.PurgeAt = &deleted, &purge
	}
	return t
}

// Document returns a revision of a living template (0: the newest). For its owner the literal secrets are in it; nobody
// else's launch may use them, and finds the markers.
func (c *Catalog) Document(
	_ context.Context, caller identity.Caller, ref string, revision int,
) (template.Revision, template.Template, error) {
	head, err := c.find(caller, nil, ref)
	if err != nil {
		return template.Revision{}, template.Template{}, err
	}
	head.Number = cmp.Or(revision, head.Number)
	text, err := c.repo.Text(head.Owner, head.ID, head.Number)
	if err != nil {
		return template.Revision{}, template.Template{}, err
	}
	if caller.UID == head.Owner {
		secrets, err := c.repo.Secrets(head.Owner, head.ID, head.Number)
		if err != nil {
			return template.Revision{}, template.Template{}, err
		}
		if text, err = template.Reveal(text, secrets); err != nil {
			return template.Revision{}, template.Template{}, err
		}
	}
	doc, err := template.ParseOne(head.Name, text)
	return head, doc.Template, err
}
