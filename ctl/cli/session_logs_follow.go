package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"agentd/internal/api"
	"agentd/internal/client"
)

// logPosition is how far a log was read: the time of its newest line, and how many lines of that very time there were.
type logPosition struct {
	at   time.Time
	seen int
	// again is how many lines of that time come once more, before the first new one.
	again int
}

// take notes a line, and reports whether it is new.
func (p *logPosition) take(l api.LogLine) bool {
	if l.Time.IsZero() { // damaged: it has no place
		return true
	}
	if l.Time.Equal(p.at) {
		if p.again > 0 {
			p.again--
			return false
		}
		p.seen++
		return true
	}
	p.at, p.seen, p.again = l.Time, 1, 0
	return true
}

// from makes q ask for what comes from the position on.
func (p *logPosition) from(q api.LogQuery) api.LogQuery {
	p.again = p.seen
	if !p.at.IsZero() {
		q.Tail, q.Since = nil, p.at.UTC().Format(time.RFC3339Nano)
	}
	return q
}

// followLogs prints what comes until the session has ended. A restart of agentd makes it begin again where it was.
func (a *app) followLogs(ctx context.Context, ref string, q api.LogQuery, p *logPrinter) error {
	c := a.client()
	info, err := c.Session(ctx, ref)
	if err != nil {
		return err
	}
	// By its id from now on: another may get the name.
	ref = info.ID
	var at logPosition
	if q.Tail != nil && *q.Tail == 0 {
		at.at = a.now()
	}
	for tries, first := 0, true; ; tries, first = tries+1, false {
		asked := q
		if !first {
			asked = at.from(q)
		}
		came, err := a.followOnce(ctx, c, ref, asked, p, &at)
		if came {
			tries = 0
		}
		switch {
		case ctx.Err() != nil:
			// Ctrl-C is how one stops to follow.
			return errors.Join(p.finish(), exitStatus(exitInterrupted))
		case errors.Is(err, io.EOF):
			// The session has ended, or agentd has: it says so when it is back.
			if info, err = c.Session(ctx, ref); err == nil && info.Status.Final() {
				return p.finish()
			}
		}
		if err != nil && !restarting(err) || tries >= reconnectTries {
			return errors.Join(p.finish(), err)
		}
		if pause(ctx, reconnectPause) != nil {
			return errors.Join(p.finish(), exitStatus(exitInterrupted))
		}
	}
}

// followOnce prints what comes on one connection, until that ends; came is whether anything did.
func (a *app) followOnce(
	ctx context.Context, c *client.Client, ref string, q api.LogQuery, p *logPrinter, at *logPosition,
) (came bool, err error) {
	stream, err := c.Logs(ctx, ref, q)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	for {
		line, err := stream.Next()
		if err != nil {
			return came, err
		}
		came = true
		if !at.take(line) {
			continue
		}
		if err := p.line(line); err != nil {
			return came, err
		}
	}
}
