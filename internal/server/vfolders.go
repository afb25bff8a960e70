package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/identity"
)

// vfolders keeps the directories that outlive sessions. All is about the caller's own.
type vfolders interface {
	vfolderReader
	vfolderWriter
}

type vfolderReader interface {
	VFolders(ctx context.Context, caller identity.Caller) ([]api.VFolder, error)
	VFolder(ctx context.Context, caller identity.Caller, name string) (api.VFolder, error)
}

type vfolderWriter interface {
	CreateVFolder(ctx context.Context, caller identity.Caller, req api.VFolderRequest) (api.VFolder, error)
	RemoveVFolder(ctx context.Context, caller identity.Caller, name string) (api.VFolder, error)
	RenameVFolder(ctx context.Context, caller identity.Caller, name, to string) (api.VFolder, error)
}

type vfolderIn struct {
	Name string `path:"name" maxLength:"256" doc:"exact name"`
}

type vfolderCreateIn struct{ Body api.VFolderRequest }

type vfolderRenameIn struct {
	Name string `path:"name" maxLength:"256" doc:"exact name"`
	Body api.RenameRequest
}

type vfolderOut struct{ Body api.VFolder }

type vfoldersOut struct{ Body api.VFolderList }

func (s *Server) registerVFolders(a huma.API) {
	if s.opt.VFolders == nil {
		return
	}
	v := vfolderRoutes{s.opt.VFolders}
	handle(a, route{method: http.MethodPost, path: api.PathVFolders, name: "create-vfolder", status: http.StatusCreated,
		summary: "Make a vfolder, or give a directory of the caller's a vfolder's name", tag: "vfolders"}, v.create)
	handle(a, route{method: http.MethodGet, path: api.PathVFolders, name: "list-vfolders",
		summary: "List the caller's vfolders", tag: "vfolders"}, v.list)
	handle(a, route{method: http.MethodGet, path: api.PathVFolder, name: "get-vfolder",
		summary: "One vfolder", tag: "vfolders"}, v.get)
	handle(a, route{method: http.MethodDelete, path: api.PathVFolder, name: "remove-vfolder",
		summary: "Remove a vfolder with its files; of an external one only the name", tag: "vfolders"}, v.remove)
	handle(a, route{method: http.MethodPost, path: api.PathVFolderRename, name: "rename-vfolder",
		summary: "Give a vfolder another name", tag: "vfolders"}, v.rename)
}

type vfolderRoutes struct{ vfolders }

func (v vfolderRoutes) create(ctx context.Context, c identity.Caller, in *vfolderCreateIn) (*vfolderOut, error) {
	folder, err := v.CreateVFolder(ctx, c, in.Body)
	return &vfolderOut{folder}, err
}

func (v vfolderRoutes) list(ctx context.Context, c identity.Caller, _ *struct{}) (*vfoldersOut, error) {
	list, err := v.VFolders(ctx, c)
	if list == nil {
		list = []api.VFolder{}
	}
	return &vfoldersOut{api.VFolderList{VFolders: list}}, err
}

func (v vfolderRoutes) get(ctx context.Context, c identity.Caller, in *vfolderIn) (*vfolderOut, error) {
	folder, err := v.VFolder(ctx, c, in.Name)
	return &vfolderOut{folder}, err
}

func (v vfolderRoutes) remove(ctx context.Context, c identity.Caller, in *vfolderIn) (*vfolderOut, error) {
	folder, err := v.RemoveVFolder(ctx, c, in.Name)
	return &vfolderOut{folder}, err
}

func (v vfolderRoutes) rename(ctx context.Context, c identity.Caller, in *vfolderRenameIn) (*vfolderOut, error) {
	folder, err := v.RenameVFolder(ctx, c, in.Name, in.Body.Name)
	return &vfolderOut{folder}, err
}
