package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

// An engine of version 20.10 keeps one image under a tag: a pull for another platform moves the tag, and the next
// `docker run` of anybody finds a program that does not run. So, around each pull, under the lock of that tag:
//
//	before      the pull brought         afterwards the tag is
//	absent      the native platform      the pulled image, as docker pull does
//	absent      another platform         absent again; ours has a hold
//	platform A  platform A               the pulled image, as docker pull does
//	platform A  platform B               what it was before; ours has a hold
//	any         nothing, or not what     what it was before
//	            was asked for
//
// A hold is a tag of our own, by reference and platform, so that a later launch finds the image without a registry:
//
//	agentd.local/hold/HOST-PATH:OS-ARCH-HASH
//
// A tag that another platform's pull may move gets a keep before, so that [Engine.RestoreTags] puts it back after a crash:
//
//	agentd.local/keep/BASE32(REFERENCE):latest
const (
	holdRepository = "agentd.local/hold/"
	keepRepository = "agentd.local/keep/"
)

// maxName is the limit of the reference grammar for a repository's name.
const maxName = 255

// holdName is the tag that holds the image of ref for platform. The readable part is for people; the hash of the whole
// reference tells apart what reads alike.
func holdName(ref reference.Named, platform plan.Platform) string {
	sum := sha256.Sum256([]byte(ref.String()))
	tag := strings.NewReplacer("/", "-").Replace(platform.String()) + "-" + hex.EncodeToString(sum[:6])
	readable := strings.NewReplacer(":", "-", "[", "", "]", "").Replace(strings.ToLower(ref.Name()))
	name := holdRepository + readable
	if len(name) <= maxName {
		if held, err := reference.ParseNormalizedNamed(name + ":" + tag); err == nil {
			return held.String()
		}
	}
	return holdRepository + hex.EncodeToString(sum[:]) + ":" + tag
}

// keepEncoding has only characters of a repository's name.
func keepEncoding() *base32.Encoding {
	return base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
}

// keepName is the tag that remembers what ref's tag was; "" if ref is too long for that.
func keepName(ref reference.Named) string {
	name := keepRepository + keepEncoding().EncodeToString([]byte(ref.String()))
	if len(name) > maxName {
		return ""
	}
	return name + ":latest"
}

// kept is the reference that a keep was made for; false if name is no keep of ours.
func kept(name string) (string, bool) {
	encoded, ok := strings.CutPrefix(strings.TrimSuffix(name, ":latest"), keepRepository)
	if !ok {
		return "", false
	}
	ref, err := keepEncoding().DecodeString(encoded)
	if err != nil {
		return "", false
	}
	_, err = reference.ParseNormalizedNamed(string(ref))
	return string(ref), err == nil
}

// tagState is a tag as it was before a pull.
type tagState struct {
	ref  reference.Named
	want plan.Platform
	// before has no ID if there was no such tag.
	before Image
	native plan.Platform
}

// remember reads what the tag is, and writes it down where a crash leaves it, if the pull may move it.
func (e *Engine) remember(ctx context.Context, ref reference.Named, want plan.Platform) (*tagState, error) {
	t := &tagState{ref: ref, want: want}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, err
	}
	t.native = info.Native
	t.before, err = e.Image(ctx, ref.String())
	if errs.Is(err, errs.NotFound) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	if t.foreign() {
		if err := e.tag(ctx, t.before.ID, t.keep()); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// foreign reports whether the tag is another platform's than the one to pull.
func (t *tagState) foreign() bool { return t.before.ID != "" && !Satisfies(t.before.Platform, t.want) }

// digested reports whether the reference is by digest: there is no tag to put back then, only images to hold.
func (t *tagState) digested() bool {
	_, ok := t.ref.(reference.Digested)
	return ok
}

// keep is where the image of before is found again.
func (t *tagState) keep() string {
	if name := keepName(t.ref); name != "" && !t.digested() {
		return name
	}
	return holdName(t.ref, t.before.Platform)
}

// settle puts the tag right after a pull that ended with pullErr, and returns the image that was asked for.
func (e *Engine) settle(ctx context.Context, t *tagState, pullErr error) (Image, error) {
	after, err := e.Image(ctx, t.ref.String())
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Image{}, errors.Join(pullErr, err)
	}
	switch {
	case pullErr == nil && err != nil:
		pullErr = errs.New(errs.Unavailable, "pull image %s: the engine says that it was pulled, but does not have it: %w",
			reference.FamiliarString(t.ref), err)
	case pullErr == nil && !Satisfies(after.Platform, t.want):
		pullErr = wrongPlatform(t.ref, t.want, after.Platform)
	}
	if pullErr != nil {
		return Image{}, errors.Join(pullErr, e.putBack(ctx, t, after))
	}
	if t.foreign() || (t.before.ID == "" && !Satisfies(after.Platform, t.native)) {
		if err := e.tag(ctx, after.ID, holdName(t.ref, t.want)); err != nil {
			return Image{}, errors.Join(err, e.putBack(ctx, t, after))
		}
		if err := e.putBack(ctx, t, after); err != nil {
			return Image{}, err
		}
	}
	return after, nil
}

// putBack makes the tag what it was before; after is what it is now.
func (e *Engine) putBack(ctx context.Context, t *tagState, after Image) error {
	switch {
	case t.digested(), t.before.ID == after.ID:
	case t.before.ID == "":
		if err := e.untag(ctx, t.ref.String()); err != nil {
			return err
		}
	default:
		if err := e.tag(ctx, t.before.ID, t.ref.String()); err != nil {
			return err
		}
	}
	if t.foreign() && !t.digested() && keepName(t.ref) != "" {
		return e.untag(ctx, t.keep())
	}
	return nil
}

// wrongPlatform is the error for an image that is not for the platform that was asked for: 20.10 pulls what there is and
// calls that a success.
func wrongPlatform(ref reference.Named, want, have plan.Platform) error {
	return errs.New(errs.Unsupported, "pull image %s for %s: the registry has it for %s",
		reference.FamiliarString(ref), want, have).
		WithHint("ask for architecture %s, or for another tag", have.Architecture)
}

// RestoreTags puts back the tags that a pull had moved when agentd was killed. It is for the start, before any pull.
func (e *Engine) RestoreTags(ctx context.Context) error {
	var names []string
	err := e.call(ctx, inspectTimeout, "list images", func(ctx context.Context, api *client.Client) error {
		list, err := api.ImageList(ctx, image.ListOptions{
			Filters: filters.NewArgs(filters.Arg("reference", keepRepository+"*")),
		})
		for _, img := range list {
			names = append(names, img.RepoTags...)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		ref, ok := kept(name)
		if !ok {
			continue
		}
		if err := e.tag(ctx, name, ref); err != nil {
			return err
		}
		if err := e.untag(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
