package checkout

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"agentd/internal/errs"
)

const (
	// maxAdvertised bounds the list of references: half a million of them.
	maxAdvertised = 32 << 20
	// maxComplaint bounds the page that comes with an HTTP error.
	maxComplaint = 16 << 10
	// dialTimeout bounds the making of a connection and of its encryption, each.
	dialTimeout = 30 * time.Second
)

// openHTTP makes a session by HTTP. go-git follows a redirect of the first request only ("initial", as git does), to
// another scheme only from http to https, and drops the credential when scheme, host or port change.
func (j *job) openHTTP(s source, w *watch) (session, error) {
	roots, err := j.roots()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost:   1,
		ExpectContinueTimeout: time.Second,
	}
	client := githttp.NewClientWithOptions(
		&http.Client{Transport: &guarded{t, w, s.schemes}},
		&githttp.ClientOptions{RedirectPolicy: githttp.FollowInitialRedirects},
	)
	var auth transport.AuthMethod
	if s.login != nil {
		auth = &githttp.BasicAuth{Username: s.login.Username, Password: s.login.Password}
	}
	opened, err := client.NewUploadPackSession(s.endpoint, auth)
	if err != nil {
		return nil, err
	}
	return closing{opened, t}, nil
}

// closing closes the connections with the session.
type closing struct {
	transport.UploadPackSession
	t *http.Transport
}

// Close ends the session.
func (c closing) Close() error {
	defer c.t.CloseIdleConnections()
	return c.UploadPackSession.Close()
}

// roots is nil for the system's certificates alone.
func (j *job) roots() (*x509.CertPool, error) {
	if len(j.req.CABundle) == 0 {
		return nil, nil //nolint:nilnil // nil is what crypto/tls wants for the system's
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(j.req.CABundle) {
		return nil, errs.New(errs.Invalid, "no certificate in the bundle of the configuration")
	}
	return pool, nil
}

// guarded applies our rules to every request, redirected ones included, and bounds every answer.
type guarded struct {
	next    http.RoundTripper
	watch   *watch
	schemes []string
}

// RoundTrip sends one request.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !slices.Contains(g.schemes, r.URL.Scheme) {
		return nil, errs.New(errs.Forbidden,
			"the host redirects to the scheme %s, which is not allowed on this agent", r.URL.Scheme)
	}
	res, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	g.watch.tick()
	limit := int64(-1)
	switch {
	case res.StatusCode >= http.StatusBadRequest:
		limit = maxComplaint
	case r.Method == http.MethodGet:
		limit = maxAdvertised
	}
	if limit >= 0 {
		res.Body = &limited{res.Body, limit, res.StatusCode < http.StatusBadRequest, g.watch}
	}
	return res, nil
}

// limited ends a body at its limit: with an error if strict, else as if it were complete.
type limited struct {
	io.ReadCloser
	left   int64
	strict bool
	// watch is nil if the reader below tells it already.
	watch *watch
}

// errManyRefs is what a host with too many references is told.
var errManyRefs = errors.New("the host advertises too many references")

// Read reads up to the limit.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		if l.strict {
			return 0, errs.New(errs.TooLarge, "%w", errManyRefs)
		}
		return 0, io.EOF
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if n > 0 && l.watch != nil {
		l.watch.tick()
	}
	return n, err
}
