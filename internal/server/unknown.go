package server

import (
	"bytes"
	"net/http"
	"path"

	"agentd/internal/errs"
)

// known answers with problems where net/http's mux would answer with text or redirect: an unknown path, a method that
// the path does not have, a path that is not clean.
func (s *Server) known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		escaped := r.URL.EscapedPath()
		if pattern != "" && path.Clean(escaped) == escaped {
			mux.ServeHTTP(w, r)
			return
		}
		no := &silent{header: http.Header{}}
		h.ServeHTTP(no, r)
		if allow := no.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			s.writeProblem(w, r, errs.New(errs.Unsupported, "%s is not a method of %s", r.Method, r.URL.Path).
				WithHint("it has %s", allow))
			return
		}
		s.writeProblem(w, r, errs.New(errs.NotFound, "no route %s %s", r.Method, r.URL.Path).
			WithHint("GET /v1/openapi.json describes them all"))
	})
}

// silent takes the mux's own answer, of which only the Allow header is of use.
type silent struct {
	header http.Header
	bytes.Buffer
}

// Header is where the mux puts Allow.
func (s *silent) Header() http.Header { return s.header }

// WriteHeader drops the status.
func (s *silent) WriteHeader(int) {}
