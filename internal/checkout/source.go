package checkout

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

// source is one repository to fetch.
type source struct {
	// name is how a person knows it; url is where it is fetched from. Neither ever holds a password.
	name, url string
	endpoint  *transport.Endpoint
	// login is nil unless the credential was given for this very scheme, host and port.
	login *Credential
	// schemes are those that a redirect may lead to.
	schemes []string
}

// source checks the plan's URL once more: this code also gets URLs from repositories.
func (j *job) source(c plan.Checkout) (source, error) {
	s, err := j.locate(c.URL, c.URL != c.Repository)
	if err != nil {
		return source{}, err
	}
	s.name, s.login = c.Repository, j.req.Credential
	if s.login != nil && !s.byHTTP() {
		j.warn("the credential is not used: %s is fetched by %s", s.name, s.endpoint.Protocol)
		s.login = nil
	}
	return s, nil
}

// locate parses a URL and applies the rules that every URL must keep. One that the configuration has rewritten may have
// any scheme: by that it is allowed.
func (j *job) locate(raw string, rewritten bool) (source, error) {
	scheme, _, helper := strings.Cut(raw, "::") // git's remote helpers: ext::sh -c ...
	helper = helper && !strings.ContainsAny(scheme, "/[:@")
	if strings.ContainsAny(raw, "\x00\n\r\t ") || strings.HasPrefix(raw, "-") || helper {
		return source{}, errs.New(errs.Invalid, "git: %q is no URL of a repository", scrub(raw))
	}
	ep, err := transport.NewEndpoint(raw)
	if err != nil {
		return source{}, errs.New(errs.Invalid, "git: %q is no URL of a repository", scrub(raw))
	}
	if ep.Protocol == "file" && !strings.HasPrefix(raw, "file://") && !strings.HasPrefix(raw, "/") {
		return source{}, errs.New(errs.Invalid, "git: %q is no URL of a repository", scrub(raw)).
			WithHint("write a local path as file:///PATH")
	}
	schemes := j.req.Schemes
	if rewritten {
		schemes = append(slices.Clone(schemes), ep.Protocol)
	}
	if !slices.Contains(schemes, ep.Protocol) {
		return source{}, errs.New(errs.Forbidden,
			"git: %s: the scheme %s is not allowed on this agent", scrub(raw), ep.Protocol).WithHint(
			"allowed are %s; the key git.schemes of the configuration says so", strings.Join(j.req.Schemes, ", "))
	}
	if ep.Password != "" || (ep.User != "" && ep.Protocol != "ssh") {
		return source{}, errs.New(errs.Invalid, "git: the URL %s holds a login", scrub(raw)).
			WithHint("take it out, and write it as credential")
	}
	if ep.Host == "" && ep.Protocol != "file" || strings.HasPrefix(ep.Host, "-") || strings.HasPrefix(ep.Path, "-") {
		return source{}, errs.New(errs.Invalid, "git: %q is no URL of a repository", scrub(raw))
	}
	return source{name: raw, url: raw, endpoint: ep, schemes: schemes}, nil
}

func (s source) byHTTP() bool { return s.endpoint.Protocol == "http" || s.endpoint.Protocol == "https" }

// sameOrigin reports whether a login for s may go to other: scheme, host and port must be equal.
func (s source) sameOrigin(other source) bool {
	return s.endpoint.Protocol == other.endpoint.Protocol &&
		strings.EqualFold(s.endpoint.Host, other.endpoint.Host) && s.port() == other.port()
}

func (s source) port() int {
	if s.endpoint.Port != 0 {
		return s.endpoint.Port
	}
	return map[string]int{"http": 80, "https": 443, "ssh": 22, "git": 9418}[s.endpoint.Protocol]
}

// address is host:port, as net.Dial wants it.
func (s source) address() string {
	return net.JoinHostPort(strings.Trim(s.endpoint.Host, "[]"), strconv.Itoa(s.port()))
}

// scrub takes logins out of a URL, also out of one that does not parse.
func scrub(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		if _, has := u.User.Password(); !has {
			return u.String()
		}
		u.User = nil
		return strings.Replace(u.String(), "://", "://***@", 1)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = "***" + host[at:]
	}
	return scheme + "://" + host + "/" + path
}
