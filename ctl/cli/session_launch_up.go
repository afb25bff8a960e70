package cli

import (
	"context"
	"errors"
	"io"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

// bringing is the waiting for one launch, over as many connections as it takes: its key makes them one launch.
type bringing struct {
	*app
	c    *client.Client
	req  api.LaunchRequest
	key  string
	show progress
	// id is the session's, from the first event on.
	id string
	// array are all sessions of a launch that asked for several.
	array []api.Session
	// created is false if a living session was given back.
	created bool
	// accepted is true once agentd has begun to answer.
	accepted bool
}

// up returns the session when it runs, has ended, or was waited for long enough.
func (b *bringing) up(ctx context.Context) (api.Session, error) {
	for tries := 0; ; tries++ {
		s, err := b.once(ctx)
		// Without a connection ever made there is nothing to come back to; one that broke may have left a session. What
		// an agentd that never accepted it answers is its word: an engine that is down does not come up by asking.
		again := client.Broken(err) || b.accepted && restarting(err)
		if err == nil || !again || tries >= reconnectTries {
			return s, err
		}
		if err := pause(ctx, reconnectPause); err != nil {
			return s, err
		}
	}
}

// once follows one connection to its end.
func (b *bringing) once(ctx context.Context) (api.Session, error) {
	stream, err := b.c.Launch(ctx, b.req, b.key)
	if err != nil {
		return api.Session{}, err
	}
	defer stream.Close()
	again := b.accepted
	b.accepted = true
	for {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return api.Session{}, errs.New(errs.Unavailable, "agentd ended the connection before the session was there")
		}
		if err != nil {
			return api.Session{}, err
		}
		if e.SessionID != "" {
			b.id = e.SessionID
		}
		if e.Kind == api.EventSession && e.Session != nil {
			// The launch of an earlier connection is ours.
			b.created, b.array = e.Created || again, e.Array
			return *e.Session, nil
		}
		b.show.show(e)
	}
}
