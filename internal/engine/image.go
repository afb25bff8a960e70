package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

// Image is an image that the engine has. Containers are run by its ID: a tag may be moved by anyone at any time.
type Image struct {
	// ID is the image's own digest, sha256:….
	ID string `json:"id"`
	// RepoDigest is name@sha256:… of the manifest that it was pulled by; empty for an image made here.
	RepoDigest string        `json:"repo_digest,omitempty"`
	Platform   plan.Platform `json:"platform"`
	SizeBytes  int64         `json:"size_bytes"`
	Config     ImageConfig   `json:"config"`
	// Held is true for one that a registry gave, of which the engine no longer says so: see hold.go.
	Held bool `json:"-"`
}

// ImageConfig is what the image's author wanted: claims of a stranger, which agentd does not follow unless asked to.
type ImageConfig struct {
	Env         []string          `json:"env,omitempty"`
	Entrypoint  []string          `json:"entrypoint,omitempty"`
	Cmd         []string          `json:"cmd,omitempty"`
	WorkingDir  string            `json:"working_dir,omitempty"`
	User        string            `json:"user,omitempty"`
	Volumes     []string          `json:"volumes,omitempty"` // sorted
	Healthcheck []string          `json:"healthcheck,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	StopSignal  string            `json:"stop_signal,omitempty"`
}

// parseReference normalises ref as docker does: busybox is docker.io/library/busybox:latest.
func parseReference(ref string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, errs.New(errs.Invalid, "image %q: %w", ref, err)
	}
	return reference.TagNameOnly(named), nil
}

// Image returns the image that the reference or image id ref names now, whatever its platform. The code is not_found if
// the engine has none.
func (e *Engine) Image(ctx context.Context, ref string) (Image, error) {
	var found Image
	what := "look up image " + quote(ref)
	err := e.call(ctx, inspectTimeout, what, func(ctx context.Context, api *client.Client) error {
		raw, err := api.ImageInspect(ctx, ref)
		if err != nil {
			return err
		}
		found = imageOf(raw, ref)
		return nil
	})
	return found, err
}

// imageOf translates; ref chooses among the digests of an image that was pulled under several names.
func imageOf(raw image.InspectResponse, ref string) Image {
	img := Image{
		ID:        raw.ID,
		Platform:  plan.Platform{OS: raw.Os, Architecture: raw.Architecture, Variant: raw.Variant},
		SizeBytes: raw.Size,
	}
	named, err := reference.ParseNormalizedNamed(ref)
	for i, digest := range raw.RepoDigests {
		other, otherErr := reference.ParseNormalizedNamed(digest)
		if i == 0 || (err == nil && otherErr == nil && other.Name() == named.Name()) {
			img.RepoDigest = digest
		}
	}
	c := raw.Config
	if c == nil {
		return img
	}
	img.Config = ImageConfig{
		Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, WorkingDir: c.WorkingDir, User: c.User,
		Labels: c.Labels, StopSignal: c.StopSignal,
	}
	for path := range c.Volumes {
		img.Config.Volumes = append(img.Config.Volumes, path)
	}
	slices.Sort(img.Config.Volumes)
	if c.Healthcheck != nil {
		img.Config.Healthcheck = c.Healthcheck.Test
	}
	return img
}

// GivenAs reports whether a registry gave the image under the name of ref, as far as the engine knows. A name that somebody
// who may use the engine has given it is none of a registry's.
func (img Image) GivenAs(ref string) bool {
	if img.RepoDigest == "" || img.Held {
		return img.Held
	}
	named, err := parseReference(ref)
	digest, digestErr := reference.ParseNormalizedNamed(img.RepoDigest)
	return err != nil || digestErr != nil || digest.Name() == named.Name()
}

// Satisfies reports whether an image for have may be run where want was asked for: the same system and architecture, and
// a variant that is no newer. Images often leave out the variant, and old ones all three.
func Satisfies(have, want plan.Platform) bool {
	same := func(have, want string) bool { return have == want || have == "" }
	return same(have.OS, want.OS) && same(have.Architecture, want.Architecture) &&
		(want.Variant == "" || have.Variant <= want.Variant)
}

// tag gives the image with that id one more name.
func (e *Engine) tag(ctx context.Context, id, name string) error {
	return e.call(ctx, inspectTimeout, "tag image as "+quote(name), func(ctx context.Context, api *client.Client) error {
		return api.ImageTag(ctx, id, name)
	})
}

// untag takes the name off its image, and removes the image if that was its last name and nobody uses it. It is nil if
// there is no such name.
func (e *Engine) untag(ctx context.Context, name string) error {
	err := e.call(ctx, createTimeout, "remove image "+quote(name), func(ctx context.Context, api *client.Client) error {
		_, err := api.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true})
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// quote puts name in quotes for an error.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `'`) + `"` }

// unixTime reads a time that the engine tells in seconds; none is Go's zero time.
func unixTime(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
