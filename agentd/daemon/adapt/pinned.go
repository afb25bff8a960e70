package adapt

import (
	"cmp"
	"context"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/plan"
)

// pinned pulls an image; one that the plan pins is that very one or an error, whatever its tag means today.
func (i *Images) pinned(
	ctx context.Context, image plan.Image, req engine.PullRequest, progress func(engine.PullProgress),
) (engine.Image, error) {
	if image.Pinned == nil {
		return i.Host.Engine.Pull(ctx, req, progress)
	}
	got, err := i.Host.Engine.Image(ctx, image.Pinned.ID)
	if err == nil || !errs.Is(err, errs.NotFound) {
		return got, err
	}
	return i.pulled(ctx, image, req, progress)
}

// pulled asks the registry. It may still have what is pinned under its digest, when the tag has moved on.
func (i *Images) pulled(
	ctx context.Context, image plan.Image, req engine.PullRequest, progress func(engine.PullProgress),
) (engine.Image, error) {
	pin := image.Pinned
	if pin != nil {
		req.Reference = cmp.Or(pin.Digest, req.Reference)
	}
	got, err := i.Host.Engine.Pull(ctx, req, progress)
	if err != nil {
		return engine.Image{}, err
	}
	if pin != nil && got.ID != pin.ID {
		return engine.Image{}, errs.New(errs.NotFound, "the image that the session ran, %s, is gone: %s is another one now",
			pin.ID, image.Reference).WithHint("take today's: --image %s", image.Reference)
	}
	return got, nil
}
