package engine

import (
	"context"
	"time"

	"github.com/docker/docker/client"
)

// PingWithin is Ping with a limit that a test can wait for.
func (e *Engine) PingWithin(ctx context.Context, limit time.Duration) error {
	return e.call(ctx, limit, "ping", func(ctx context.Context, api *client.Client) error {
		_, err := api.Ping(ctx)
		return err
	})
}
