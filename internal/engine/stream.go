package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/jsonmessage"
)

// Causes that end a pull.
var (
	errPullTimeout = errors.New("it took longer than allowed")
	errPullStalled = errors.New("no byte came")
)

// stream has the engine pull, and reads what it tells to its end: the answer 200 comes before the first layer, and an
// error after that is part of the stream.
func (p *pull) stream(ctx context.Context, report func(PullProgress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	moved := func() {}
	if p.request.Stall > 0 {
		// It runs from the start: an engine waiting for the manifest has answered nothing yet.
		timer := time.AfterFunc(p.request.Stall, func() { cancel(errPullStalled) })
		defer timer.Stop()
		moved = func() { timer.Reset(p.request.Stall) }
	}
	err := p.decode(ctx, func(state PullProgress, more bool) {
		if more {
			moved()
		}
		report(state)
	})
	return p.explain(ctx, err)
}

// decode reads the messages of the pull and tells each new state, and whether it is further than any before.
func (p *pull) decode(ctx context.Context, tell func(PullProgress, bool)) error {
	api, err := p.engine.client(ctx)
	if err != nil {
		return err
	}
	if _, digested := p.ref.(reference.Digested); digested && p.request.Policy == PullAlways {
		// An engine that has the manifest of a digest in its store asks no registry, and no login is proved by that.
		if _, err := api.DistributionInspect(ctx, p.ref.String(), p.auth); err != nil {
			return err
		}
	}
	body, err := api.ImagePull(ctx, p.ref.String(), image.PullOptions{
		RegistryAuth: p.auth, Platform: p.request.Platform.String(),
	})
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was read to its end, or its error is told
	layers := layerStates{}
	decoder := json.NewDecoder(body)
	for {
		var message jsonmessage.JSONMessage
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
		if message.ErrorMessage != "" { //nolint:staticcheck // old engines have nothing else
			return errors.New(message.ErrorMessage) //nolint:staticcheck // as above
		}
		more := layers.note(message)
		tell(layers.sum(message.Status), more)
	}
}
