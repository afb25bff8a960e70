package engine

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// NetworkNone is the network of a container that has none.
const NetworkNone = "none"

// optionICC is the bridge driver's switch for traffic between containers.
const optionICC = "com.docker.network.bridge.enable_icc"

// EnsureNetwork makes the bridge called name, whose containers do not reach one another, unless it is there. The code is
// conflict if a network of that name is not such a one of this instance's, and unsupported with Podman, which makes the
// network without a word, and does not say whether it keeps its containers apart.
func (e *Engine) EnsureNetwork(ctx context.Context, name, instance string) error {
	return e.call(ctx, createTimeout, "make network "+quote(name), func(ctx context.Context, api *client.Client) error {
		if e.isPodman() {
			return errs.New(errs.Unsupported, "network %q: Podman does not say whether it keeps containers apart", name).
				WithHint("put sessions: {network: none} into agentd's configuration, or use the Docker Engine")
		}
		there, err := findNetwork(ctx, api, name)
		if err != nil {
			return err
		}
		if there == nil {
			_, err = api.NetworkCreate(ctx, name, network.CreateOptions{
				Driver: "bridge", Options: map[string]string{optionICC: "false"},
				Labels: Labels{Instance: instance}.labelMap(),
			})
			return err
		}
		if there.Labels[labelInstance] != instance || there.Options[optionICC] != "false" {
			return errs.New(errs.Conflict, "network %q: there is one of this name that agentd did not make", name).
				WithHint("see what it is: docker network inspect %s", name)
		}
		return nil
	})
}

// findNetwork returns the network called name, or nil.
func findNetwork(ctx context.Context, api *client.Client, name string) (*network.Summary, error) {
	list, err := api.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return nil, err
	}
	// The engine's filter finds parts of names too.
	i := slices.IndexFunc(list, func(n network.Summary) bool { return n.Name == name })
	if i < 0 {
		return nil, nil
	}
	return &list[i], nil
}

// RemoveNetwork removes the network; it is nil if there is none. The code is conflict or forbidden if it is in use.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	err := e.call(ctx, createTimeout, "remove network "+quote(name), func(ctx context.Context, api *client.Client) error {
		return api.NetworkRemove(ctx, name)
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
