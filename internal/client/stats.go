package client

import (
	"context"
	"net/http"
	"net/url"

	"agentd/internal/api"
)

// SessionStats says what a session uses now.
func (c *Client) SessionStats(ctx context.Context, ref string) (api.SessionStats, error) {
	return call[api.SessionStats](ctx, c, request{method: http.MethodGet, path: api.PathSessionStats, ref: &Ref{Name: ref}})
}

// Stats says what the caller's sessions use, everybody's with all.
func (c *Client) Stats(ctx context.Context, all bool) ([]api.SessionStats, error) {
	list, err := call[api.StatsList](ctx, c, request{
		method: http.MethodGet, path: api.PathStats, query: url.Values(query{}.flag("all_users", all)),
	})
	return list.Stats, err
}
