package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

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

// Audit says who did what.
func (c *Client) Audit(ctx context.Context, q api.AuditQuery) (api.AuditList, error) {
	v := url.Values{}
	for name, value := range map[string]string{"since": q.Since, "session": q.Session, "template": q.Template} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.UID != nil {
		v.Set("user", strconv.FormatUint(uint64(*q.UID), 10))
	}
	if q.AllUsers {
		v.Set("all_users", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return call[api.AuditList](ctx, c, request{method: http.MethodGet, path: api.PathSystemAudit, query: v})
}
