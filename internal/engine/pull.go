package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

// Pull policies, as in plan.Image.
const (
	PullMissing = "missing"
	// PullAlways asks the registry for its word, also where the engine has all that it would get.
	PullAlways = "always"
	PullNever  = "never"
)

// PullRequest is an image to have.
type PullRequest struct {
	Reference string
	Platform  plan.Platform
	// Policy is one of [PullMissing], [PullAlways] and [PullNever].
	Policy string
	// Auth is the login at the registry; nil means none.
	Auth *Auth
	// Stall ends a pull that moved no byte for so long, Timeout one that takes longer in all; 0 means no such bound.
	Stall   time.Duration
	Timeout time.Duration
}

// Auth is a login at a registry. It is given to the engine with the pull, and kept nowhere.
type Auth struct {
	Username      string
	Password      string
	IdentityToken string
	ServerAddress string
}

// header is the login as the engine wants it.
func (a *Auth) header() (string, error) {
	if a == nil {
		return "", nil
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, ServerAddress: a.ServerAddress,
	})
}

// Pull returns the image for the request's platform, and asks a registry for it where the policy says so. Pulls of one
// reference, platform and login share one pull: each caller's progress is called, in its own goroutine, with the newest
// state; a caller that goes away does not stop it for the others, and the last one that goes away does.
//
// Nobody's tag is moved to another platform by it: see hold.go.
func (e *Engine) Pull(ctx context.Context, req PullRequest, progress func(PullProgress)) (Image, error) {
	ref, err := parseReference(req.Reference)
	if err != nil {
		return Image{}, err
	}
	switch req.Policy {
	case PullMissing, PullNever:
		img, err := e.find(ctx, ref, req.Platform)
		if !errs.Is(err, errs.NotFound) {
			return img, err
		}
		if req.Policy == PullNever {
			return e.findLocked(ctx, ref, req.Platform)
		}
	case PullAlways:
	default:
		return Image{}, errs.New(errs.Invalid, "pull policy %q: want missing, always or never", req.Policy)
	}
	header, err := req.Auth.header()
	if err != nil {
		return Image{}, errs.New(errs.Internal, "encode the login for %s: %w", reference.Domain(ref), err)
	}
	p := &pull{engine: e, ref: ref, request: req, auth: header}
	return e.pulls.join(ctx, p.key(), p.run, progress)
}

// Local returns the image for the platform that the engine has, without a registry; the code is not_found if it has none.
func (e *Engine) Local(ctx context.Context, ref string, platform plan.Platform) (Image, error) {
	named, err := parseReference(ref)
	if err != nil {
		return Image{}, err
	}
	return e.find(ctx, named, platform)
}

// findLocked looks while nobody pulls this tag: a pull of another platform has it for a while.
func (e *Engine) findLocked(ctx context.Context, ref reference.Named, want plan.Platform) (Image, error) {
	what := "image " + reference.FamiliarString(ref) + " for " + want.String()
	unlock, err := e.tags.lock(ctx, ref.String())
	if err != nil {
		return Image{}, explain(ctx, e.host, what, 0, err)
	}
	defer unlock()
	img, err := e.find(ctx, ref, want)
	if errs.Is(err, errs.NotFound) {
		return Image{}, Absent(ref.String(), want)
	}
	return img, err
}

// Absent is the error for an image that the engine does not have and may not ask a registry for.
func Absent(ref string, want plan.Platform) error {
	if named, err := parseReference(ref); err == nil {
		ref = reference.FamiliarString(named)
	}
	return errs.New(errs.NotFound, "image %s for %s: the engine does not have it", ref, want).
		WithHint("the pull policy is never: pull it with docker pull, or allow pulls with engine.pull_policy")
}

// find returns the image under the reference, or under our hold for this platform.
func (e *Engine) find(ctx context.Context, ref reference.Named, want plan.Platform) (Image, error) {
	img, err := e.Image(ctx, ref.String())
	if err == nil && Satisfies(img.Platform, want) {
		return img, nil
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Image{}, err
	}
	held, err := e.Image(ctx, holdName(ref, want))
	if err == nil && Satisfies(held.Platform, want) {
		held.Held = true
		return held, nil
	}
	if err == nil {
		err = errs.New(errs.NotFound, "image %s for %s: the hold is for %s", ref, want, held.Platform)
	}
	return Image{}, err
}

// pull is one pull that is under way.
type pull struct {
	engine  *Engine
	ref     reference.Named
	request PullRequest
	auth    string
}

// key says which pulls are the same. The login is part of it: who could not have pulled gets nothing by waiting beside
// one who can.
func (p *pull) key() string {
	sum := sha256.Sum256([]byte(p.auth))
	return p.ref.String() + " " + p.request.Platform.String() + " " + p.request.Policy + " " + hex.EncodeToString(sum[:])
}

// run pulls, verifies the platform, and leaves the tags as they have to be. One at a time for each tag, so that the tag
// is known to be as it was before.
func (p *pull) run(ctx context.Context, report func(PullProgress)) (Image, error) {
	if p.request.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.request.Timeout, errPullTimeout)
		defer cancel()
	}
	unlock, err := p.engine.tags.lock(ctx, p.ref.String())
	if err != nil {
		return Image{}, p.explain(ctx, err)
	}
	defer unlock()
	if p.request.Policy == PullMissing {
		// The one before us may have pulled just this.
		img, err := p.engine.find(ctx, p.ref, p.request.Platform)
		if !errs.Is(err, errs.NotFound) {
			return img, err
		}
	}
	tag, err := p.engine.remember(ctx, p.ref, p.request.Platform)
	if err != nil {
		return Image{}, err
	}
	pullErr := p.stream(ctx, report)
	// The tag must be put right even if the caller has gone away meanwhile.
	settleCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return p.engine.settle(settleCtx, tag, pullErr)
}
