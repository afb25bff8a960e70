package server

import (
	"context"

	"agentd/internal/api"
	"agentd/internal/identity"
)

// Templates is the life of templates; package catalog has it. The parts may be one value.
type Templates struct {
	Reader  templateReader
	Writer  templateWriter
	History templateHistory
	Remover templateRemover
}

// In all of these the owner is whose templates are meant (nil: the caller's own), ref is an exact id, an exact name or
// a unique prefix of an id, and ifRevision 0 means no condition.

type templateReader interface {
	List(ctx context.Context, caller identity.Caller, q api.ListQuery) (api.TemplateList, error)
	Get(ctx context.Context, caller identity.Caller, owner *uint32, ref string) (api.Template, error)
	Text(ctx context.Context, caller identity.Caller, owner *uint32, ref string, revision int, showSecrets bool) (
		text []byte, served int, err error)
}

type templateWriter interface {
	Create(ctx context.Context, caller identity.Caller, owner *uint32, file string, src []byte) (api.WrittenList, error)
	Apply(ctx context.Context, caller identity.Caller, owner *uint32, file string, src []byte) (api.WrittenList, error)
	Update(ctx context.Context, caller identity.Caller, owner *uint32, ref, file string, src []byte, ifRevision int) (
		api.Written, error)
}

type templateHistory interface {
	History(ctx context.Context, caller identity.Caller, owner *uint32, ref string) (api.History, error)
	Rollback(ctx context.Context, caller identity.Caller, owner *uint32, ref string, revision, ifRevision int) (
		api.Written, error)
	Copy(ctx context.Context, caller identity.Caller, owner *uint32, ref, name string) (api.Written, error)
}

type templateRemover interface {
	Delete(ctx context.Context, caller identity.Caller, owner *uint32, ref string, ifRevision int, purge bool) (
		api.Written, error)
	Restore(ctx context.Context, caller identity.Caller, owner *uint32, ref, name string) (api.Written, error)
}
