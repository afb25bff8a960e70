package client

import (
	"context"
	"net/http"

	"agentd/internal/api"
)

// RenameSession gives a living session another name.
func (c *Client) RenameSession(ctx context.Context, ref, name string) (api.Session, error) {
	return call[api.Session](ctx, c, request{
		method: http.MethodPost, path: api.PathSessionRename, ref: &Ref{Name: ref}, body: api.RenameRequest{Name: name},
	})
}

// RestartSession ends what runs of a session, and begins it anew; it does not wait for that.
func (c *Client) RestartSession(ctx context.Context, ref string) (api.Session, error) {
	return call[api.Session](ctx, c, request{
		method: http.MethodPost, path: api.PathSessionRestart, ref: &Ref{Name: ref},
	})
}

// DiskUse says what of the agent's takes room on the disk.
func (c *Client) DiskUse(ctx context.Context) (api.DiskUse, error) {
	return call[api.DiskUse](ctx, c, request{method: http.MethodGet, path: api.PathSystemDisk})
}

// SaveTemplate makes a template of what a session is.
func (c *Client) SaveTemplate(ctx context.Context, ref string, req api.SaveTemplateRequest) (api.SavedTemplate, error) {
	return call[api.SavedTemplate](ctx, c, request{
		method: http.MethodPost, path: api.PathSessionTemplate, ref: &Ref{Name: ref}, body: req,
	})
}
