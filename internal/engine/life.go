package engine

import (
	"context"
	"math"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// Create makes the container and returns its id. The code is conflict if the name is taken: an earlier try may have made
// it and its answer been lost, which [Labels.Prove] on what [Engine.Inspect] finds under the name tells.
func (e *Engine) Create(ctx context.Context, s Spec) (id string, err error) {
	profile, err := e.profile()
	if err != nil {
		return "", err
	}
	err = e.call(ctx, createTimeout, "create container "+quote(s.Name), func(ctx context.Context, api *client.Client) error {
		if !e.filtersCalls() {
			profile = ""
		}
		made, err := api.ContainerCreate(ctx, configOf(s), hostConfigOf(s, profile), nil, nil, s.Name)
		id = made.ID
		return err
	})
	return id, err
}

// filtersCalls says whether the engine that was met last has seccomp: one without it refuses to start a container that
// has a profile.
func (e *Engine) filtersCalls() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seccomp
}

// Start starts the container; it is nil if it runs already. A container that cannot be started stays as it was created,
// and its Error says why.
func (e *Engine) Start(ctx context.Context, id string) error {
	return e.call(ctx, startTimeout, "start container "+quote(id), func(ctx context.Context, api *client.Client) error {
		return api.ContainerStart(ctx, id, container.StartOptions{})
	})
}

// Stop asks the container to end and, after the grace, ends it. It is nil if it has ended.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	// The engine counts whole seconds; a grace that is not whole is not cut short.
	seconds := int(math.Ceil(grace.Seconds()))
	what := "stop container " + quote(id)
	return e.call(ctx, grace+stopMargin, what, func(ctx context.Context, api *client.Client) error {
		return api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	})
}

// Kill sends the signal, such as SIGTERM, to the container's first process. The code is conflict if it does not run.
func (e *Engine) Kill(ctx context.Context, id, signal string) error {
	what := "send " + signal + " to container " + quote(id)
	return e.call(ctx, inspectTimeout, what, func(ctx context.Context, api *client.Client) error {
		return api.ContainerKill(ctx, id, signal)
	})
}

// Remove removes the container, running or not, and the anonymous volumes that came with it, and returns when it is gone.
// It is nil if there is no such container.
func (e *Engine) Remove(ctx context.Context, id string) error {
	what := "remove container " + quote(id)
	err := e.call(ctx, startTimeout, what, func(ctx context.Context, api *client.Client) error {
		return api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if errs.Is(err, errs.Conflict) {
		// Somebody is removing it already.
		err = e.call(ctx, startTimeout, what, func(ctx context.Context, api *client.Client) error {
			return untilRemoved(ctx, api, id, err)
		})
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// untilRemoved waits for a removal that is under way; if the container is not being removed, the conflict was another one.
func untilRemoved(ctx context.Context, api *client.Client, id string, conflict error) error {
	raw, err := api.ContainerInspect(ctx, id)
	if err != nil {
		return err
	}
	if raw.State == nil || State(raw.State.Status) != Removing {
		return conflict
	}
	gone, failed := api.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-gone:
		return nil
	case err := <-failed:
		return err
	}
}
