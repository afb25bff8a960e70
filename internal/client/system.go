package client

import (
	"context"
	"net/http"

	"agentd/internal/api"
)

// SystemInfo says what this agent is and has to give.
func (c *Client) SystemInfo(ctx context.Context) (api.SystemInfo, error) {
	return call[api.SystemInfo](ctx, c, request{method: http.MethodGet, path: api.PathSystemInfo})
}

// Doctor says what is wrong with this agent's surroundings.
func (c *Client) Doctor(ctx context.Context) (api.Doctor, error) {
	return call[api.Doctor](ctx, c, request{method: http.MethodGet, path: api.PathSystemDoctor})
}
