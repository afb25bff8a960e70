package adapt

import (
	"context"
	"strings"

	"agentd/internal/api"
	"agentd/internal/catalog"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/session"
	"agentd/internal/supervisor"
	"agentd/internal/template"
)

// Saver makes templates of sessions.
type Saver struct {
	Supervisor *supervisor.Supervisor
	Catalog    *catalog.Catalog
}

// SaveTemplate turns a session's plan back into a document, and stores it as the caller's. A literal secret goes from one
// template's safe to the other's: the text that is returned has a marker in its place.
func (s Saver) SaveTemplate(
	ctx context.Context, caller identity.Caller, ref string, req api.SaveTemplateRequest,
) (api.SavedTemplate, error) {
	rec, _, err := s.Supervisor.Find(caller, ref)
	if err != nil {
		return api.SavedTemplate{}, err
	}
	if err := template.CheckName(req.Name); err != nil {
		return api.SavedTemplate{}, err
	}
	tpl := rec.Plan.Again(rec.Provenance)
	tpl.Metadata.Name = req.Name
	if req.Pin {
		pin(&tpl, rec)
	}
	out := api.SavedTemplate{}
	if c := rec.Plan.Checkout; c != nil && c.HasCredential {
		if tpl.Spec.Kernel.Git.Credential, err = s.credential(ctx, caller, rec.Plan.Template); err != nil {
			return out, err
		}
		if tpl.Spec.Kernel.Git.Credential == nil {
			out.Notes = append(out.Notes, "the git credential of "+rec.Plan.Template.Name+" is not yours or is gone: add your own")
		}
	}
	text, err := plan.Document(tpl)
	if err != nil {
		return out, err
	}
	doc, err := template.ParseOne(req.Name, text)
	if err != nil {
		return out, errs.New(errs.Internal, "read the template made of session %s: %w", rec.ID, err)
	}
	shown, _, err := doc.Redact()
	if err != nil {
		return out, err
	}
	out.Text = string(shown)
	if req.TextOnly {
		return out, nil
	}
	list, err := s.Catalog.Create(ctx, caller, nil, req.Name, text)
	if err == nil && len(list.Written) > 0 {
		out.Written = &list.Written[0]
	}
	return out, err
}

// pin writes down what the session has where a name may mean something else tomorrow.
func pin(tpl *template.Template, rec session.Record) {
	if tpl.Spec.Kernel.Git != nil && rec.Staged.Commit != "" {
		tpl.Spec.Kernel.Git.Commit = rec.Staged.Commit
	}
	if rec.Staged.ImageDigest != "" && !strings.Contains(tpl.Spec.Kernel.Image, "@") {
		tpl.Spec.Kernel.Image = rec.Staged.ImageDigest
	}
}

// credential is what the session's own template has; nil if that is gone, or the secret is somebody else's.
func (s Saver) credential(
	ctx context.Context, caller identity.Caller, ref plan.TemplateRef,
) (*template.Credential, error) {
	_, tpl, err := s.Catalog.Document(ctx, caller, ref.ID, ref.Revision)
	switch {
	case errs.Is(err, errs.NotFound):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, err
	case tpl.Spec.Kernel.Git == nil || tpl.Spec.Kernel.Git.Credential == nil:
		return nil, nil //nolint:nilnil // there is none
	case tpl.Spec.Kernel.Git.Credential.Password == template.Marker:
		return nil, nil //nolint:nilnil // it is somebody else's
	}
	return tpl.Spec.Kernel.Git.Credential, nil
}
