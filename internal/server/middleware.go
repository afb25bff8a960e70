package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/version"
)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// observe is outermost: it names the request, logs it and counts it.
func (s *Server) observe(next http.Handler) http.Handler {
	sane := regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		id := r.Header.Get(api.RequestIDHeader)
		if !sane.MatchString(id) {
			id = rand.Text()[:12]
		}
		w.Header().Set(api.RequestIDHeader, id)
		w.Header().Set(api.VersionHeader, version.String())
		// The mux writes the pattern into this very request: nothing below may replace it by a copy.
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = context.WithValue(ctx, noteKey{}, &note{})
		r = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w, begin: func(status int) { s.audit(r, status) }}
		next.ServeHTTP(rec, r)
		rec.begins(http.StatusOK)
		took := time.Since(begin)
		s.metrics.count(r.Pattern, rec.code(), took)
		if s.opt.Changed != nil && r.Method != http.MethodGet && r.Method != http.MethodHead && rec.code() < 300 {
			s.opt.Changed()
		}
		if !s.log.Enabled(ctx, slog.LevelDebug) {
			return
		}
		caller, _ := identity.From(ctx)
		s.log.LogAttrs(ctx, slog.LevelDebug, "request",
			slog.String("request", id), slog.Any("uid", caller.UID), slog.Any("pid", caller.PID),
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", rec.code()),
			slog.Duration("took", took), slog.String("client", r.Header.Get(api.VersionHeader)))
	})
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	// begin is called once, before the answer begins.
	begin func(status int)
}

// begins remembers the first status that is final.
func (r *recorder) begins(status int) {
	if r.status == 0 {
		r.status = status
		r.begin(status)
	}
}

// WriteHeader remembers the first status that is final.
func (r *recorder) WriteHeader(status int) {
	if status >= http.StatusOK {
		r.begins(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write begins the answer with 200 if nothing else began it.
func (r *recorder) Write(b []byte) (int, error) {
	r.begins(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// recovered turns a panic of a handler into an internal error: one request fails, not the daemon.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // the context is the request's
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && (errors.Is(err, http.ErrAbortHandler) || r.Context().Err() != nil) {
				// huma panics when it cannot write to a client that has gone: there is nobody to tell.
				panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's word for an answer that ends here
			}
			err := errs.New(errs.Internal, "panic: %v\n%s", v, debug.Stack())
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				s.log.ErrorContext(r.Context(), "a handler panicked", "request", requestID(r.Context()), "error", err)
				panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's word for an answer that ends here
			}
			s.writeProblem(w, r, err)
		}()
		next.ServeHTTP(w, r)
	})
}

// guard refuses what no honest client of a local socket sends.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		_, known := identity.From(r.Context())
		switch {
		case !known:
			err = errs.New(errs.Forbidden, "the kernel did not say who calls")
		case over(r.Context()):
			w.Header().Set("Connection", "close")
			err = errs.New(errs.Busy, "you hold more than %d connections to agentd", s.limits.Connections).
				WithHint("close some, or wait")
		case r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "":
			// A page in somebody's browser, through a proxy from TCP to the socket.
			err = errs.New(errs.Forbidden, "requests of web pages are refused (Origin or Referer is set)")
		case r.Host != "" && r.Host != api.Host && r.Host != "localhost":
			err = errs.New(errs.Forbidden, "requests for host %q are refused: this is %q", r.Host, api.Host)
		}
		if err != nil {
			s.writeProblem(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bounded bounds the size of a body and the time to send it, and the time to take the answer. It comes before everything
// that refuses: net/http waits for the rest of a body that nobody has read, for ever if there is no deadline.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, now := http.NewResponseController(w), time.Now()
		err := rc.SetWriteDeadline(now.Add(s.limits.Answer))
		if r.ContentLength != 0 {
			err = errors.Join(err, rc.SetReadDeadline(now.Add(s.limits.Body)))
			// One more than allowed, so that the handler can tell too much from just enough.
			r.Body = &body{ReadCloser: http.MaxBytesReader(w, r.Body, api.MaxRequestBytes+1), rc: rc}
		}
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			s.writeProblem(w, r, fmt.Errorf("set the deadlines of a request: %w", err))
			return
		}
		if r.ContentLength > api.MaxRequestBytes {
			w.Header().Set("Connection", "close")
			s.writeProblem(w, r, tooLarge())
			return
		}
		next.ServeHTTP(w, r)
	})
}
