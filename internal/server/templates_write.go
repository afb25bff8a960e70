package server

import (
	"bytes"
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/template"
)

type documentsIn struct {
	OwnerParam
	FileParam
	RawBody []byte `contentType:"application/yaml"`
}

type writtenListOut struct{ Body api.WrittenList }

// put is create or apply. The body is copied: huma uses its buffer again for other requests.
type put func(ctx context.Context, caller identity.Caller, owner *uint32, file string, src []byte) (
	api.WrittenList, error)

func (in *documentsIn) put(ctx context.Context, caller identity.Caller, to put) (*writtenListOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	written, err := to(ctx, caller, owner, in.File, bytes.Clone(in.RawBody))
	return &writtenListOut{written}, err
}

func (t Templates) create(ctx context.Context, caller identity.Caller, in *documentsIn) (*writtenListOut, error) {
	return in.put(ctx, caller, t.Writer.Create)
}

func (t Templates) apply(ctx context.Context, caller identity.Caller, in *documentsIn) (*writtenListOut, error) {
	return in.put(ctx, caller, t.Writer.Apply)
}

type validateIn struct {
	FileParam
	RawBody []byte `contentType:"application/yaml"`
}

type validationOut struct{ Body api.Validation }

func (t Templates) validate(_ context.Context, _ identity.Caller, in *validateIn) (*validationOut, error) {
	docs, err := template.Parse(in.File, bytes.Clone(in.RawBody))
	if err != nil {
		return nil, err
	}
	v := api.Validation{Templates: make([]api.Validated, 0, len(docs))}
	for _, d := range docs {
		v.Templates = append(v.Templates,
			api.Validated{Name: d.Template.Metadata.Name, Line: d.Line, Warnings: d.Warnings})
	}
	return &validationOut{v}, nil
}

type writtenOut struct {
	ETag string `header:"ETag" doc:"number of the newest revision, quoted"`
	Body api.Written
}

func wrote(w api.Written, err error) (*writtenOut, error) {
	return &writtenOut{ETag: etag(w.Template.Revision), Body: w}, err
}

type updateIn struct {
	RefParam
	FileParam
	IfMatchParam
	RawBody []byte `contentType:"application/yaml"`
}

func (t Templates) update(ctx context.Context, caller identity.Caller, in *updateIn) (*writtenOut, error) {
	owner, ifRevision, err := in.target(in.IfMatchParam)
	if err != nil {
		return nil, err
	}
	return wrote(t.Writer.Update(ctx, caller, owner, in.Ref, in.File, bytes.Clone(in.RawBody), ifRevision))
}

type deleteIn struct {
	RefParam
	IfMatchParam
	Purge bool `query:"purge" doc:"for good and at once, also if it was deleted before"`
}

func (t Templates) remove(ctx context.Context, caller identity.Caller, in *deleteIn) (*writtenOut, error) {
	owner, ifRevision, err := in.target(in.IfMatchParam)
	if err != nil {
		return nil, err
	}
	return wrote(t.Remover.Delete(ctx, caller, owner, in.Ref, ifRevision, in.Purge))
}

type rollbackIn struct {
	RefParam
	IfMatchParam
	Body api.RollbackRequest
}

func (t Templates) rollback(ctx context.Context, caller identity.Caller, in *rollbackIn) (*writtenOut, error) {
	owner, ifRevision, err := in.target(in.IfMatchParam)
	if err != nil {
		return nil, err
	}
	return wrote(t.History.Rollback(ctx, caller, owner, in.Ref, in.Body.Revision, ifRevision))
}

type restoreIn struct {
	RefParam
	Body *api.RestoreRequest
}

func (t Templates) restore(ctx context.Context, caller identity.Caller, in *restoreIn) (*writtenOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	var name string
	if in.Body != nil {
		name = in.Body.Name
	}
	return wrote(t.Remover.Restore(ctx, caller, owner, in.Ref, name))
}

type copyIn struct {
	RefParam
	Body api.CopyRequest
}

func (t Templates) copied(ctx context.Context, caller identity.Caller, in *copyIn) (*writtenOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	return wrote(t.History.Copy(ctx, caller, owner, in.Ref, in.Body.Name))
}

// target is whose template a change is about, and from which revision it was made.
func (p RefParam) target(cond IfMatchParam) (owner *uint32, ifRevision int, err error) {
	if owner, err = p.uid(); err != nil {
		return nil, 0, err
	}
	ifRevision, err = cond.revision()
	return owner, ifRevision, err
}
