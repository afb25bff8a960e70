package client

import (
	"context"
	"net/http"
	"net/url"

	"agentd/internal/api"
)

// Ref names a template: by an exact id, an exact name, or a unique prefix of an id.
type Ref struct {
	Name string
	// Owner is whose; nil for the caller's own. Another's needs an administrator.
	Owner *uint32
}

// Document is a file of templates.
type Document struct {
	// Name is what its author calls it: problems are told with it. "-" for standard input.
	Name string
	Text []byte
}

// Create stores every template of a document, or none.
func (c *Client) Create(ctx context.Context, owner *uint32, d Document) ([]api.Written, error) {
	return c.put(ctx, http.MethodPost, owner, d)
}

// Apply is Create for names that are new, and Update for the templates that there are already.
func (c *Client) Apply(ctx context.Context, owner *uint32, d Document) ([]api.Written, error) {
	return c.put(ctx, http.MethodPut, owner, d)
}

func (c *Client) put(ctx context.Context, method string, owner *uint32, d Document) ([]api.Written, error) {
	list, err := call[api.WrittenList](ctx, c, request{
		method: method, path: api.PathTemplates, body: d.Text,
		query: url.Values(query{}.owner(owner).set("file", d.Name)),
	})
	return list.Written, err
}

// Update replaces the text of a template by the one of a document; with a revision, only if that is still the newest
// (else [errs.Stale]).
func (c *Client) Update(ctx context.Context, ref Ref, d Document, revision int) (api.Written, error) {
	return call[api.Written](ctx, c, request{
		method: http.MethodPut, path: api.PathTemplate, ref: &ref, body: d.Text, header: ifRevision(revision),
		query: url.Values(query{}.set("file", d.Name)),
	})
}

// Validate has agentd check a document, without storing it.
func (c *Client) Validate(ctx context.Context, d Document) (api.Validation, error) {
	return call[api.Validation](ctx, c, request{
		method: http.MethodPost, path: api.PathTemplatesValidate, body: d.Text,
		query: url.Values(query{}.set("file", d.Name)),
	})
}

// Templates lists templates, following the pages; q.After and q.Limit are the client's own business.
func (c *Client) Templates(ctx context.Context, q api.ListQuery) ([]api.Template, error) {
	all := []api.Template{}
	for after := ""; ; {
		page, err := call[api.TemplateList](ctx, c, request{
			method: http.MethodGet, path: api.PathTemplates,
			query: url.Values(query{}.owner(q.Owner).flag("all_users", q.AllUsers).flag("deleted", q.Deleted).
				set("after", after).number("limit", api.MaxPage)),
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Templates...)
		if page.Next == "" || page.Next == after {
			return all, nil
		}
		after = page.Next
	}
}

// Template returns what a list shows of one template.
func (c *Client) Template(ctx context.Context, ref Ref) (api.Template, error) {
	return call[api.Template](ctx, c, request{
		method: http.MethodGet, path: api.PathTemplate, ref: &ref,
	})
}

// Text returns the text of a revision byte for byte, and the revision's number; revision 0 is the newest. Literal
// secrets are markers unless the owner asks to see them.
func (c *Client) Text(ctx context.Context, ref Ref, revision int, showSecrets bool) ([]byte, int, error) {
	a, err := c.do(ctx, request{
		method: http.MethodGet, path: api.PathTemplateText, ref: &ref,
		query: url.Values(query{}.number("revision", revision).flag("show_secrets", showSecrets)),
	})
	return a.body, revisionOf(a.header), err
}

// Delete ends a template, which can be restored for a while; with purge it is gone for good.
func (c *Client) Delete(ctx context.Context, ref Ref, purge bool) (api.Written, error) {
	return call[api.Written](ctx, c, request{
		method: http.MethodDelete, path: api.PathTemplate, ref: &ref,
		query: url.Values(query{}.flag("purge", purge)),
	})
}

// History lists the revisions of a template, newest first.
func (c *Client) History(ctx context.Context, ref Ref) (api.History, error) {
	return call[api.History](ctx, c, request{
		method: http.MethodGet, path: api.PathTemplateRevisions, ref: &ref,
	})
}

// Rollback makes the text of an older revision the newest.
func (c *Client) Rollback(ctx context.Context, ref Ref, revision int) (api.Written, error) {
	return c.post(ctx, api.PathTemplateRollback, ref, api.RollbackRequest{Revision: revision})
}

// Restore undoes a deletion, under another name if one is given.
func (c *Client) Restore(ctx context.Context, ref Ref, name string) (api.Written, error) {
	return c.post(ctx, api.PathTemplateRestore, ref, api.RestoreRequest{Name: name})
}

// Copy makes a new template with the newest text of another.
func (c *Client) Copy(ctx context.Context, ref Ref, name string) (api.Written, error) {
	return c.post(ctx, api.PathTemplateCopy, ref, api.CopyRequest{Name: name})
}

func (c *Client) post(ctx context.Context, path string, ref Ref, body any) (api.Written, error) {
	return call[api.Written](ctx, c, request{
		method: http.MethodPost, path: path, ref: &ref, body: body,
	})
}

// Health says how agentd's parts are, also if one is not well.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	return call[api.Health](ctx, c, request{
		method: http.MethodGet, path: api.PathHealth, accept: http.StatusServiceUnavailable,
	})
}
