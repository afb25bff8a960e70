package engine

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/container"

	"agentd/internal/errs"
)

// Bounds of the pause between two tries to reach an engine that does not answer.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Wait returns the container once it does not run any more, however long that takes and however often the engine is
// restarted meanwhile. It ends without an answer only with ctx, or with not_found: then the engine has answered, and has
// no such container.
func (e *Engine) Wait(ctx context.Context, id string) (Container, error) {
	return e.wait(ctx, id, false)
}

// WaitLive is [Engine.Wait] for a container that was just seen to run: the engine is not asked about it first.
func (e *Engine) WaitLive(ctx context.Context, id string) (Container, error) {
	return e.wait(ctx, id, true)
}

func (e *Engine) wait(ctx context.Context, id string, live bool) (Container, error) {
	pause := firstPause
	for ; ; live = false {
		var c Container
		var err error
		if !live {
			c, err = e.Inspect(ctx, id)
		}
		if err == nil && !live && !c.State.Live() {
			return c, nil
		}
		if err == nil {
			pause = firstPause
			err = e.waitOnce(ctx, id)
		}
		switch {
		case err == nil:
			continue
		case errs.Is(err, errs.NotFound), ctx.Err() != nil:
			return Container{}, err
		}
		if !sleep(ctx, pause) {
			return Container{}, explain(ctx, e.host, "wait for container "+quote(id), 0, ctx.Err())
		}
		pause = min(2*pause, lastPause)
	}
}

// waitOnce waits until the engine says that the container has stopped, or stops talking. It has no bound in time: a
// session may run for weeks. Keep-alive is not needed on a Unix socket, whose end is seen.
func (e *Engine) waitOnce(ctx context.Context, id string) error {
	api, err := e.client(ctx)
	if err != nil {
		return err
	}
	ended, failed := api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-ended:
		return nil
	case err := <-failed:
		e.note(ctx, err)
		return explain(ctx, e.host, "wait for container "+quote(id), 0, err)
	case <-ctx.Done():
		// The library's goroutine ends with the request, but nobody may be there to take its result.
		go drain(ended, failed)
		return explain(ctx, e.host, "wait for container "+quote(id), 0, ctx.Err())
	}
}

// drain takes the last word of a wait that nobody listens to any more.
func drain(ended <-chan container.WaitResponse, failed <-chan error) {
	select {
	case <-ended:
	case <-failed: //nolint:errcheck // that it ended is all
	}
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
