package client

import (
	"context"
	"net/http"

	"agentd/internal/api"
)

// CreateVFolder makes a vfolder; with a path in the request it stands for that directory of the caller's.
func (c *Client) CreateVFolder(ctx context.Context, req api.VFolderRequest) (api.VFolder, error) {
	return call[api.VFolder](ctx, c, request{method: http.MethodPost, path: api.PathVFolders, body: req})
}

// VFolders lists the caller's vfolders, sorted by name.
func (c *Client) VFolders(ctx context.Context) ([]api.VFolder, error) {
	list, err := call[api.VFolderList](ctx, c, request{method: http.MethodGet, path: api.PathVFolders})
	return list.VFolders, err
}

// VFolder returns the vfolder of that exact name.
func (c *Client) VFolder(ctx context.Context, name string) (api.VFolder, error) {
	return call[api.VFolder](ctx, c, request{method: http.MethodGet, path: api.PathVFolder, ref: &Ref{Name: name}})
}

// RemoveVFolder removes a vfolder with its files; of one that stands for a directory elsewhere, only the name.
func (c *Client) RemoveVFolder(ctx context.Context, name string) (api.VFolder, error) {
	return call[api.VFolder](ctx, c, request{method: http.MethodDelete, path: api.PathVFolder, ref: &Ref{Name: name}})
}

// RenameVFolder gives a vfolder another name.
func (c *Client) RenameVFolder(ctx context.Context, name, to string) (api.VFolder, error) {
	return call[api.VFolder](ctx, c, request{
		method: http.MethodPost, path: api.PathVFolderRename, ref: &Ref{Name: name}, body: api.RenameRequest{Name: to},
	})
}
