package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// maxAnswer bounds the body of an answer, in bytes: what listens on the socket need not be agentd.
const maxAnswer = 64 << 20

// request is one request of the API.
type request struct {
	method, path string
	// ref fills {ref} in the path; nil for a path without it.
	ref   *Ref
	query url.Values
	// header may be nil.
	header http.Header
	// body is sent as it is if it is a []byte, as JSON if it is anything else but nil.
	body any
	// accept also takes answers with this status as good ones; 0 for none.
	accept int
}

// answer is what agentd said to a request that went well.
type answer struct {
	header http.Header
	body   []byte
}

// do sends r and returns the answer, or the error that agentd raised.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	req, err := c.prepare(ctx, r)
	if err != nil {
		return answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, transportError(ctx, req, err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is written to it
	c.compareVersions(resp.Header.Get(api.VersionHeader))
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, transportError(ctx, req, err)
	}
	if len(body) > maxAnswer {
		return answer{}, errs.New(errs.TooLarge, "%s %s: the answer is over %d bytes", r.method, r.path, maxAnswer)
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == r.accept {
		return answer{header: resp.Header, body: body}, nil
	}
	return answer{}, problem(req, resp, body)
}

// call is do for an answer in JSON.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var v T
	a, err := c.do(ctx, r)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return v, errs.New(errs.Unavailable, "%s %s: the answer is not agentd's: %w", r.method, r.path, err)
	}
	return v, nil
}

func (c *Client) prepare(ctx context.Context, r request) (*http.Request, error) {
	if err := r.fill(); err != nil {
		return nil, err
	}
	var body io.Reader
	kind := ""
	switch b := r.body.(type) {
	case nil:
	case []byte:
		body, kind = bytes.NewReader(b), documentType
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, errs.New(errs.Internal, "encode the request: %w", err)
		}
		body, kind = bytes.NewReader(encoded), "application/json"
	}
	target := "http://" + api.Host + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, errs.New(errs.Internal, "make the request: %w", err)
	}
	maps.Copy(req.Header, r.header)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set(api.VersionHeader, c.version)
	return req, nil
}

// transportError is why there was no answer.
func transportError(ctx context.Context, req *http.Request, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	what := req.Method + " " + req.URL.Path
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errs.New(errs.Timeout, "%s: no answer in time", what)
		}
		return errs.New(errs.Canceled, "%s: interrupted", what)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errs.New(errs.Timeout, "%s: agentd does not answer", what).WithHint("systemctl status agentd")
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return errs.New(errs.Unavailable, "%s: the connection broke: %w", what, brokenError{err}).
		WithHint("agentd may have been restarted: see whether it was done, and try again")
}

// brokenError is the end of a connection before its answer was there.
type brokenError struct{ error }

func (b brokenError) Unwrap() error { return b.error }

// Broken reports whether err says that a connection broke before its answer was there: what was asked for may have been
// done. An agentd that answers that something is unavailable is no such thing: it was not.
func Broken(err error) bool {
	_, ok := errors.AsType[brokenError](err)
	return ok
}

// problem turns the answer to a failed request back into the error that agentd raised.
func problem(req *http.Request, resp *http.Response, body []byte) error {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p api.Problem
	if err != nil || kind != api.ProblemType || json.Unmarshal(body, &p) != nil || p.Code == "" {
		return errs.New(errs.Unavailable, "%s %s: %s, and not in agentd's words",
			req.Method, req.URL.Path, resp.Status).
			WithHint("does something else than agentd listen on the socket?")
	}
	return raised(p)
}

// raised is the error that agentd had before it became a problem.
func raised(p api.Problem) error {
	e := &errs.Error{Code: p.Code, Message: p.Detail, Hint: p.Hint, Problems: p.Problems}
	if p.Code == errs.Internal && p.RequestID != "" && p.Hint == "" {
		e.Hint = "agentd's log has more: journalctl -u agentd -g " + p.RequestID
	}
	return e
}

// compareVersions warns, once, of an agentd of another major version.
func (c *Client) compareVersions(theirs string) {
	mine, ok := major(c.version)
	other, known := major(theirs)
	if !ok || !known || mine == other || c.warn == nil {
		return
	}
	c.warnOnce.Do(func() {
		c.warn("this is ctl " + c.version + ", and agentd is " + theirs + ": they may not understand each other")
	})
}

// major is the 1 of v1.2.3; false for a version that is none, such as dev.
func major(version string) (string, bool) {
	rest, ok := strings.CutPrefix(version, "v")
	if !ok {
		return "", false
	}
	number, _, found := strings.Cut(rest, ".")
	return number, found
}
