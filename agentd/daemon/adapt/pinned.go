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
	pin := image.Pinned
	if pin == nil {
		return i.Host.Engine.Pull(ctx, req, progress)
	}
	got, err := i.Host.Engine.Image(ctx, pin.ID)
	if err == nil || !errs.Is(err, errs.NotFound) {
		return got, err
	}
	// The registry may still have it under its digest, when the tag has moved on.
	req.Reference = cmp.Or(pin.Digest, req.Reference)
	if got, err = i.Host.Engine.Pull(ctx, req, progress); err != nil {
		return engine.Image{}, err
	}
	if got.ID != pin.ID {
		return engine.Image{}, errs.New(errs.NotFound, "the image that the session ran, %s, is gone: %s is another one now",
			pin.ID, image.Reference).WithHint("take today's: --image %s", image.Reference)
	}
	return got, nil
}
