package server

import (
	"context"
	"encoding/json"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/template"
)

type listIn struct {
	OwnerParam
	AllUsers bool   `query:"all_users" doc:"everybody's templates; for administrators only"`
	Deleted  bool   `query:"deleted" doc:"the deleted ones, which can be restored, instead of the living"`
	After    string `query:"after" maxLength:"4096" doc:"the 'next' of the page before"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" doc:"size of the page, 500 by default"`
}

type listOut struct{ Body api.TemplateList }

func (t Templates) list(ctx context.Context, caller identity.Caller, in *listIn) (*listOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	page, err := t.Reader.List(ctx, caller, api.ListQuery{
		Owner: owner, AllUsers: in.AllUsers, Deleted: in.Deleted, After: in.After, Limit: in.Limit,
	})
	return &listOut{page}, err
}

type templateOut struct {
	ETag string `header:"ETag" doc:"number of the newest revision, quoted"`
	Body api.Template
}

func (t Templates) get(ctx context.Context, caller identity.Caller, in *RefParam) (*templateOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	tpl, err := t.Reader.Get(ctx, caller, owner, in.Ref)
	return &templateOut{ETag: etag(tpl.Revision), Body: tpl}, err
}

type textIn struct {
	RefParam
	Revision    int  `query:"revision" minimum:"1" doc:"number of the revision; the newest by default"`
	ShowSecrets bool `query:"show_secrets" doc:"literal secrets in their places; for the owner only"`
}

type textOut struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag" doc:"number of the revision, quoted"`
	Body        []byte `contentType:"application/yaml"`
}

func (t Templates) text(ctx context.Context, caller identity.Caller, in *textIn) (*textOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	t.look(ctx, caller, owner, in.Ref, in.ShowSecrets)
	text, revision, err := t.Reader.Text(ctx, caller, owner, in.Ref, in.Revision, in.ShowSecrets)
	return &textOut{ContentType: "application/yaml", ETag: etag(revision), Body: text}, err
}

type historyOut struct{ Body api.History }

func (t Templates) history(ctx context.Context, caller identity.Caller, in *RefParam) (*historyOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	t.look(ctx, caller, owner, in.Ref, false)
	h, err := t.History.History(ctx, caller, owner, in.Ref)
	return &historyOut{h}, err
}

type schemaOut struct {
	ContentType string `header:"Content-Type"`
	Body        json.RawMessage
}

func (t Templates) schema(context.Context, identity.Caller, *struct{}) (*schemaOut, error) {
	return &schemaOut{ContentType: "application/schema+json", Body: template.Schema()}, nil
}
