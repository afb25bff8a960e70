// Package engine is the Docker Engine in our words: images, containers, networks and volumes of one engine, each call
// bounded in time and each failure told as an [errs.Error]. It is the only package that knows Docker's own types.
package engine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// How long each kind of call may take. An engine that is restarting is silent for tens of seconds; more than that is told
// to the caller, who decides: the engine's silence itself decides nothing.
const (
	inspectTimeout = 10 * time.Second
	createTimeout  = time.Minute
	startTimeout   = 2 * time.Minute
	// stopMargin is added to the grace that the container has.
	stopMargin = 30 * time.Second
	// settleTimeout bounds what must be put right after a call that was cut off.
	settleTimeout = 30 * time.Second
)

// Engine is one Docker Engine. It holds no connection between calls, so that an engine that was restarted, or replaced by
// another version, is simply met again by the next call. All methods may be called concurrently.
type Engine struct {
	host string
	// profile is the seccomp profile, encoded once.
	profile func() (string, error)

	mu sync.Mutex
	// api is nil until the version was negotiated, and again after a call that did not reach the engine.
	api *client.Client
	// seccomp says whether the engine of api filters system calls by a profile of ours; podman, whether it is Podman.
	seccomp, podman bool

	pulls  flights
	tags   locks
	outage outage
}

// Connect returns the engine at host, an address as DOCKER_HOST has it, or "" for the machine's own. It does not talk to
// it yet: an engine that is down now may be up when it is needed. The error has the code invalid.
func Connect(host string) (*Engine, error) {
	if host == "" {
		host = client.DefaultDockerHost
	}
	if strings.HasPrefix(host, "ssh://") {
		return nil, errs.New(errs.Unsupported, "docker engine at %s: an engine on another machine", host).
			WithHint("agentd runs sessions on its own machine: give a unix:// address")
	}
	if _, err := newClient(host); err != nil {
		return nil, errs.New(errs.Invalid, "docker engine at %q: %w", host, err)
	}
	return &Engine{host: host, profile: sync.OnceValues(seccompProfile)}, nil
}

// Host is the address of the engine.
func (e *Engine) Host() string { return e.host }

// newClient makes a client without a pool: a pooled connection may be dead without knowing it, and a POST on such a one
// is not tried again. A new connection costs 0.1 ms, the cheapest of our calls 1 ms.
func newClient(host string) (*client.Client, error) {
	address, err := client.ParseHostURL(host)
	if err != nil {
		return nil, err
	}
	options := []client.Opt{
		client.WithHTTPClient(&http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: client.CheckRedirect,
		}),
		client.WithHost(host), client.WithTLSClientConfigFromEnv(), client.WithAPIVersionNegotiation(),
	}
	if address.Scheme == "unix" {
		options = append(options, client.WithDialContext(dialer(address.Host)))
	}
	return client.NewClientWithOpts(options...)
}

// dialer dials the socket at path, and keeps why it could not: the client replaces each error that it takes for that by
// a sentence of its own.
func dialer(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, &unreachable{err}
		}
		return conn, nil
	}
}

// unreachable is an error of dialing that does not look like one.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return "no connection" }
func (u *unreachable) Unwrap() error { return u.err }

// client returns the client, and negotiates the version first if nobody has since the engine was last unreachable. The
// library would do it too, but goes on with a version of its own choice when the engine does not answer.
func (e *Engine) client(ctx context.Context) (*client.Client, error) {
	e.mu.Lock()
	api := e.api
	e.mu.Unlock()
	if api != nil {
		return api, nil
	}
	api, err := newClient(e.host)
	if err != nil {
		return nil, err
	}
	// Not under the lock: a hanging engine must not make callers with shorter deadlines wait. Who comes last wins.
	ping, err := api.Ping(ctx)
	if err != nil {
		return nil, err
	}
	api.NegotiateAPIVersionPing(ping)
	info, err := api.Info(ctx)
	if err != nil {
		return nil, err
	}
	podman := isPodman(ctx, api)
	seccomp := hasSeccomp(info.SecurityOptions) && !podman
	e.mu.Lock()
	defer e.mu.Unlock()
	e.api, e.seccomp, e.podman = api, seccomp, podman
	return api, nil
}

// forget makes the next call negotiate again: what answers then may be another version.
func (e *Engine) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.api = nil
}

// call does one thing with the engine within limit. What names it, for the error: `inspect container "x"`.
func (e *Engine) call(
	ctx context.Context, limit time.Duration, what string, do func(context.Context, *client.Client) error,
) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	api, err := e.client(bounded)
	if err == nil {
		err = do(bounded, api)
	}
	e.note(ctx, err)
	if err == nil {
		return nil
	}
	return explain(ctx, e.host, what, limit, err)
}

// note remembers whether the engine answered. That the caller did not wait for it says nothing.
func (e *Engine) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err == nil:
		e.outage.answer()
	case client.IsErrConnectionFailed(err):
		e.forget()
		e.outage.silence()
	case errors.Is(err, context.DeadlineExceeded), isCutOff(err):
		e.outage.silence()
	default:
		e.outage.answer()
	}
}

// Ping returns nil if the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	return e.call(ctx, inspectTimeout, "ping", func(ctx context.Context, api *client.Client) error {
		_, err := api.Ping(ctx)
		return err
	})
}
