package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/session"
)

// Bounds of the patience with an agentd that is being restarted.
const (
	reconnectPause = 500 * time.Millisecond
	reconnectTries = 60
)

// until waits until the session's status is as wanted, or nothing more will come; it returns the session as it then is.
// It outlasts a restart of agentd.
func (a *app) until(
	ctx context.Context, c *client.Client, ref string, wanted func(session.Status) bool,
) (api.SessionInfo, error) {
	for tries := 0; ; tries++ {
		info, lost, err := once(ctx, c, ref, wanted)
		if info.ID != "" {
			// By its id from now on: another may get the name.
			ref = info.ID
			tries = 0
		}
		if err == nil && !lost {
			return info, nil
		}
		if err != nil && (ref != info.ID || !restarting(err) || tries >= reconnectTries) {
			return info, err
		}
		if err := pause(ctx, reconnectPause); err != nil {
			return info, err
		}
	}
}

// once waits on one connection; lost is true if that ended too early.
func once(
	ctx context.Context, c *client.Client, ref string, wanted func(session.Status) bool,
) (info api.SessionInfo, lost bool, err error) {
	events, err := c.Events(ctx, api.EventQuery{Session: ref, Follow: true})
	if err != nil {
		return info, false, err
	}
	defer events.Close()
	// After the stream is open, so that no change falls between the two.
	if info, err = c.Session(ctx, ref); err != nil || wanted(info.Status) || info.Status.Final() {
		return info, false, err
	}
	for {
		e, err := events.Next()
		if err != nil && !errors.Is(err, io.EOF) && !restarting(err) {
			return info, false, err
		}
		if err == nil && (e.Kind != api.EventStatus || !wanted(e.Status) && !e.Status.Final()) {
			continue
		}
		latest, ask := c.Session(ctx, info.ID)
		if ask != nil {
			return info, false, ask
		}
		done := wanted(latest.Status) || latest.Status.Final() || err == nil
		return latest, !done, nil
	}
}

// restarting holds for the failures that a restart of agentd looks like.
func restarting(err error) bool { return errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NoDaemon) }

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errs.New(errs.Timeout, "not in time")
		}
		return errs.New(errs.Canceled, "interrupted")
	}
}

// finished is wanted by who waits for the end.
func finished(s session.Status) bool { return s.Final() }

// jobExit is the exit status of a command that has the job's: the job's own if somebody saw it, and ours if the session
// never came to run it, or its end was not seen.
func jobExit(s api.Session) error {
	switch {
	case s.Status != session.Terminated, s.ExitCode == nil:
		return exitStatus(exitOurs)
	case *s.ExitCode != 0:
		return exitStatus(*s.ExitCode)
	}
	return nil
}
