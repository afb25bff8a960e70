package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// explain makes the error that ended a pull ours.
func (p *pull) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	what := "pull image " + reference.FamiliarString(p.ref) + " for " + p.request.Platform.String()
	host := reference.Domain(p.ref)
	switch why := context.Cause(ctx); {
	case errors.Is(why, errPullStalled):
		return errs.New(errs.Timeout, "%s: no byte came from %s for %v: %w", what, host, p.request.Stall, why).
			WithHint("see whether the registry is reachable from this machine, or raise engine.stall_timeout")
	case errors.Is(why, errPullTimeout):
		return errs.New(errs.Timeout, "%s: not done after %v: %w", what, p.request.Timeout, why).
			WithHint("raise engine.pull_timeout")
	case why != nil:
		return errs.New(errs.Canceled, "%s: %w", what, why)
	case client.IsErrConnectionFailed(err), isCutOff(err):
		p.engine.forget()
		return explain(ctx, p.engine.host, what, 0, err)
	}
	known := classify(err, p.ref, p.auth != "")
	e := errs.New(known.code, "%s: %s: %w", what, known.text, cause(err))
	if known.hint != "" {
		e = e.WithHint("%s", strings.NewReplacer("HOST", host, "PLATFORM", p.request.Platform.String()).Replace(known.hint))
	}
	return e
}

// pullFault is one kind of failure of a pull.
type pullFault struct {
	code errs.Code
	// text says it in a few words; the engine's own follow.
	text string
	// hint has HOST and PLATFORM in it where the registry's and the platform's name belong.
	hint string
}

// classify finds out why the engine could not pull. An engine passes on what the registry, the network or the disk told
// it as a text, with the status 404 or 500, or with no status at all inside the stream: there is nothing else to go by.
// This is the one place that reads such texts; TestClassify_EveryFault has each as an engine really said it.
func classify(err error, ref reference.Named, loggedIn bool) pullFault {
	text := strings.ToLower(withoutName(err.Error(), ref))
	says := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case saysNoSpace(text):
		return pullFault{errs.NoSpace, "the engine's disk is full", "make room: docker system df; docker image prune"}
	case says("no matching manifest for", "does not match the specified platform", "does not provide the specified platform"):
		return pullFault{errs.Unsupported, "the registry has it for other platforms only",
			"it is not there for PLATFORM: ask for another architecture or tag"}
	case says("toomanyrequests", "too many requests"):
		return pullFault{errs.Busy, "the registry limits how often it may be asked",
			"try again later, or log in for a higher limit: docker login HOST"}
	case says("unauthorized", "authentication required", "no basic auth credentials", "access denied", "denied:", "forbidden",
		"incorrect username or password"):
		return refused(loggedIn)
	case says("manifest unknown", "not found", "name unknown", "name_unknown"):
		return pullFault{errs.NotFound, "no such image or tag", "check the spelling of name and tag"}
	case says("filesystem layer verification failed", "unexpected digest", "digest did not match", "verification failed",
		"invalid checksum", "unexpected eof", "invalid tar header", "gzip: invalid", "flate: corrupt"):
		return pullFault{errs.Unavailable, "the registry sent damaged data", "try again; if it stays, push the image again"}
	case says("connection refused", "no such host", "no route to host", "network is unreachable", "i/o timeout",
		"tls handshake timeout", "connection reset", "client.timeout exceeded", "request canceled while waiting",
		"server misbehaving", "x509:", "http response to https client", "eof"):
		return pullFault{errs.Unavailable, "the registry cannot be reached", "see whether HOST is reachable from this machine"}
	case says("received unexpected http status", "500 internal server error", "502 bad gateway", "503 service unavailable",
		"unknown: "):
		return pullFault{errs.Unavailable, "the registry is in trouble", "try again later"}
	case errdefs.IsNotFound(err):
		return pullFault{errs.NotFound, "no such image or tag", "check the spelling of name and tag"}
	}
	return pullFault{codeOf(err), "the engine could not", ""}
}

// withoutName takes the image's name out of a text: its author chose it, and forbidden/eof is a fine name. Numbers are not
// looked for at all, since a port or a digest has any.
func withoutName(text string, ref reference.Named) string {
	for _, name := range []string{ref.Name(), reference.FamiliarName(ref), reference.Path(ref), reference.Domain(ref)} {
		text = strings.ReplaceAll(text, name, "IMAGE")
	}
	return text
}

func refused(loggedIn bool) pullFault {
	if loggedIn {
		return pullFault{errs.Forbidden, "the registry refused the login", "log in again: docker login HOST"}
	}
	return pullFault{errs.Forbidden, "the registry wants a login, or has no such image", "log in: docker login HOST"}
}
