package engine

import (
	"context"

	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// canaryImage is an image that nobody has: the engine looks at the mounts of a container before it looks for the image,
// and so the question makes nothing.
const canaryImage = "agentd.local/canary:none"

// CanSee reports whether the engine finds path, which exists here: in a mount namespace of its own, such as systemd's
// sandboxing makes for agentd, our mounts do not reach it, and it would mount what lies beneath them, without an error.
func (e *Engine) CanSee(ctx context.Context, path string) (bool, error) {
	s := Spec{
		Image: Image{ID: canaryImage}, Entrypoint: []string{"/"}, Network: NetworkNone,
		Mounts: []Mount{{Kind: MountBind, Source: path, Target: "/canary", ReadOnly: true}},
	}
	var id string
	what := "ask whether the engine sees " + path
	err := e.call(ctx, createTimeout, what, func(ctx context.Context, api *client.Client) error {
		made, err := api.ContainerCreate(ctx, configOf(s), hostConfigOf(s, ""), nil, nil, "")
		id = made.ID
		return err
	})
	switch {
	case errs.Is(err, errs.NotFound):
		return true, nil
	case errs.Is(err, errs.Invalid):
		return false, nil
	case err == nil:
		// Somebody does have that image.
		return true, e.Remove(ctx, id)
	}
	return false, err
}
