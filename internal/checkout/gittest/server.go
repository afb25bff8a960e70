package gittest

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"agentd/internal/testenv"
)

// Server serves the repositories beneath Root by git http-backend.
type Server struct {
	// Root is the directory of the repositories; the URL of one is URL + "/NAME.git".
	Root, URL string
	// CA is the certificate to trust, in PEM; only with TLS.
	CA []byte

	mu       sync.Mutex
	user     string
	password string
	seen     []Seen
	wrap     func(http.Handler) http.Handler
}

// Seen is a request that came.
type Seen struct {
	Method, Path, Authorization string
}

// Serve starts a server on loopback, which ends with the test.
func Serve(t testing.TB, root string) *Server { return serve(t, root, (*httptest.Server).Start) }

// ServeTLS is [Serve] with HTTPS.
func ServeTLS(t testing.TB, root string) *Server { return serve(t, root, (*httptest.Server).StartTLS) }

func serve(t testing.TB, root string, start func(*httptest.Server)) *Server {
	t.Helper()
	s, quiet := &Server{Root: root}, log.New(io.Discard, "", 0)
	git := &cgi.Handler{
		Path: testenv.Tool(t, "git"), Args: []string{"http-backend"},
		Env:    append(Env()[1:], "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1"),
		Stderr: io.Discard, Logger: quiet,
	}
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, Seen{r.Method, r.URL.Path, r.Header.Get("Authorization")})
		user, password, wrap := s.user, s.password, s.wrap
		s.mu.Unlock()
		if u, p, _ := r.BasicAuth(); user != "" && (u != user || p != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "go away, "+u+" with "+p, http.StatusUnauthorized)
			return
		}
		var handler http.Handler = git
		if wrap != nil {
			handler = wrap(git)
		}
		handler.ServeHTTP(w, r)
	}))
	h.Config.ErrorLog = quiet
	start(h)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	s.URL = h.URL
	if c := h.Certificate(); c != nil {
		s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return s
}

// Login asks every request for this login from now on. What is refused is repeated in the answer, as a host that is up
// to no good would.
func (s *Server) Login(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.password = user, password
}

// Wrap puts a handler in front of git's from now on.
func (s *Server) Wrap(wrap func(git http.Handler) http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrap = wrap
}

// Seen returns the requests so far.
func (s *Server) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Seen(nil), s.seen...)
}

// Authorizations returns the logins that came, without repetition.
func (s *Server) Authorizations() []string {
	var all []string
	for _, r := range s.Seen() {
		if r.Authorization != "" && !strings.Contains(strings.Join(all, "\n"), r.Authorization) {
			all = append(all, r.Authorization)
		}
	}
	return all
}
