package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"agentd/internal/api"
	"agentd/internal/plan"
)

// Launch asks for a session and returns the events of its coming up; the last one is of the kind session. A launch that
// is sent again with its key, unless that is empty, is the same one.
func (c *Client) Launch(ctx context.Context, req api.LaunchRequest, key string) (*EventStream, error) {
	header := http.Header{}
	if key != "" {
		header.Set(api.IdempotencyHeader, key)
	}
	lines, err := c.openStream(ctx, request{method: http.MethodPost, path: api.PathSessions, body: req, header: header})
	if err != nil {
		return nil, err
	}
	return &EventStream{lines}, nil
}

// Plan says what exactly a launch would do, and does nothing.
func (c *Client) Plan(ctx context.Context, req api.LaunchRequest) (plan.Resolved, error) {
	return call[plan.Resolved](ctx, c, request{method: http.MethodPost, path: api.PathSessionsPlan, body: req})
}

// Sessions lists sessions, newest first, following the pages; q.After and q.Limit are the client's own business.
func (c *Client) Sessions(ctx context.Context, q api.SessionQuery) ([]api.Session, error) {
	all := []api.Session{}
	for after := ""; ; {
		page, err := call[api.SessionList](ctx, c, request{
			method: http.MethodGet, path: api.PathSessions,
			query: url.Values(query{}.owner(q.Owner).flag("all_users", q.AllUsers).flag("ended", q.Ended).
				set("after", after).number("limit", api.MaxPage)),
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Sessions...)
		if page.Next == "" || page.Next == after {
			return all, nil
		}
		after = page.Next
	}
}

// Session returns all that there is to tell about one session: by its exact id, its exact name, or a unique prefix of
// its id, as in all methods here.
func (c *Client) Session(ctx context.Context, ref string) (api.SessionInfo, error) {
	return call[api.SessionInfo](ctx, c, request{method: http.MethodGet, path: api.PathSession, ref: &Ref{Name: ref}})
}

// SessionHistory returns how the status of a session changed.
func (c *Client) SessionHistory(ctx context.Context, ref string) (api.SessionHistory, error) {
	return call[api.SessionHistory](ctx, c, request{
		method: http.MethodGet, path: api.PathSessionHistory, ref: &Ref{Name: ref},
	})
}

// Terminate asks a session to end, at once if force is true; it does not wait for the end.
func (c *Client) Terminate(ctx context.Context, ref string, force bool) (api.Session, error) {
	return call[api.Session](ctx, c, request{
		method: http.MethodPost, path: api.PathSessionTerminate, ref: &Ref{Name: ref},
		body: api.TerminateRequest{Force: force},
	})
}

// RemoveSession forgets a session that has ended, with its logs and files.
func (c *Client) RemoveSession(ctx context.Context, ref string) (api.Session, error) {
	return call[api.Session](ctx, c, request{method: http.MethodDelete, path: api.PathSession, ref: &Ref{Name: ref}})
}

// Logs opens the output of a session's steps.
func (c *Client) Logs(ctx context.Context, ref string, q api.LogQuery) (*LogStream, error) {
	params := query{}.flag("follow", q.Follow).set("since", q.Since).set("step", q.Step)
	if q.Tail != nil {
		params.set("tail", strconv.Itoa(*q.Tail))
	}
	lines, err := c.openStream(ctx, request{
		method: http.MethodGet, path: api.PathSessionLogs, ref: &Ref{Name: ref}, query: url.Values(params),
	})
	if err != nil {
		return nil, err
	}
	return &LogStream{lines}, nil
}

// Events opens a stream of events. When it returns, everything that happens from then on will be in it.
func (c *Client) Events(ctx context.Context, q api.EventQuery) (*EventStream, error) {
	after := int64(-1)
	if q.After != nil {
		after = *q.After
	}
	r := request{
		method: http.MethodGet, path: api.PathEvents,
		query: url.Values(query{}.set("after", strconv.FormatInt(after, 10)).flag("follow", q.Follow).
			flag("all_users", q.AllUsers)),
	}
	if q.Session != "" {
		r.path, r.ref = api.PathSessionEvents, &Ref{Name: q.Session}
	}
	lines, err := c.openStream(ctx, r)
	if err != nil {
		return nil, err
	}
	return &EventStream{lines}, nil
}
