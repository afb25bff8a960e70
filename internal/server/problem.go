package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// failure is an error of a handler on its way through huma, which asks it for its status and media type.
type failure struct{ error }

// GetStatus is the HTTP status of the error's code.
func (f failure) GetStatus() int { return api.Lookup(errs.CodeOf(f.error)).Status }

// ContentType is that of a problem, whatever was negotiated.
func (f failure) ContentType(string) string { return api.ProblemType }

// Unwrap returns the handler's error.
func (f failure) Unwrap() error { return f.error }

// classify gives the errors of the standard library that any handler can meet their codes.
func classify(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return errs.New(errs.Canceled, "the client went away: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return errs.New(errs.Timeout, "the request took too long: %w", err)
	}
	return err
}

// problem is the wire's form of err. What is internal stays in the log, where the request's id leads to it.
func (s *Server) problem(ctx context.Context, err error) api.Problem {
	noteOf(ctx).err = err
	row := api.Lookup(errs.CodeOf(err))
	id := requestID(ctx)
	p := api.Problem{
		Type: "about:blank#" + string(row.Code), Title: row.Title, Status: row.Status, Code: row.Code, RequestID: id,
	}
	if row.Code == errs.Internal {
		s.log.LogAttrs(ctx, slog.LevelError, "a request failed inside agentd",
			slog.String("request", id), slog.Any("error", err))
		p.Detail = "internal error; request id " + id + ": see the log"
		return p
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		p.Hint, p.Problems = e.Hint, e.Problems
		// The problems are a list of their own on the wire: the sentence is without them.
		bare := *e
		bare.Problems = nil
		p.Detail = bare.Error()
	}
	return p
}

// writeProblem answers what no handler of huma answers.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	if p.Code == errs.Busy {
		w.Header().Set("Retry-After", "1")
	}
	if w.Header().Get("Allow") != "" {
		// The table's 501 for a method that a route lacks would say that no route has it.
		p.Status = http.StatusMethodNotAllowed
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.log.DebugContext(r.Context(), "an answer did not reach its client", "error", err)
	}
}

// problems makes huma speak api.Problem: it is run over every body that huma writes. The alternative, huma.NewError, is
// a variable of the package, shared by all servers of a process.
func (s *Server) problems(ctx huma.Context, _ string, body any) (any, error) {
	switch v := body.(type) {
	case failure:
		if errs.Is(v.error, errs.Busy) {
			ctx.SetHeader("Retry-After", "1")
		}
		return s.problem(ctx.Context(), v.error), nil
	case *huma.ErrorModel:
		p := s.problem(ctx.Context(), refused(v))
		if p.Code == errs.TooLarge {
			// Otherwise net/http waits for some of the rest before it answers.
			ctx.SetHeader("Connection", "close")
		}
		if c, ok := ctx.(*answer); ok {
			c.status = p.Status
		}
		return p, nil
	}
	return body, nil
}

// answer lets the status of a problem replace the one that huma chose for its own errors.
type answer struct {
	humaContext
	status int
}

// humaContext gives the embedded interface a name that does not hide its method Context.
type humaContext = huma.Context

// SetStatus writes the header of the answer.
func (a *answer) SetStatus(status int) {
	if a.status != 0 {
		status = a.status
	}
	a.humaContext.SetStatus(status)
}

func withAnswer(ctx huma.Context, next func(huma.Context)) {
	noteOf(ctx.Context()).action = ctx.Operation().OperationID
	next(&answer{humaContext: ctx})
}

// refused is an error that huma found by itself, before any handler: in the parameters or in the body.
func refused(m *huma.ErrorModel) error {
	switch m.Status {
	case http.StatusRequestTimeout:
		return errs.New(errs.Timeout, "the body of the request came too slowly")
	case http.StatusRequestEntityTooLarge:
		return tooLarge()
	case http.StatusInternalServerError:
		// Handlers return a failure, always: what is left is the reading of the body.
		return errs.New(errs.Canceled, "the body of the request broke off")
	}
	e := errs.New(errs.Invalid, "the request is not valid")
	if len(m.Errors) == 0 {
		e.Message += ": " + m.Detail
	}
	for _, d := range m.Errors {
		e.Problems = append(e.Problems, errs.Problem{Path: d.Location, Rule: "request", Message: d.Message})
	}
	return e
}

func tooLarge() error {
	return errs.New(errs.TooLarge, "the body of the request has more than %d KiB", api.MaxRequestBytes>>10).
		WithHint("send the documents in several requests")
}
