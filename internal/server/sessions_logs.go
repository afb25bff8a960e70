package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/job"
	"agentd/internal/resource"
	"agentd/internal/session"
	"agentd/internal/sessionlog"
)

type logsIn struct {
	SessionParam
	Follow bool   `query:"follow" doc:"go on until the session has ended"`
	Tail   int    `query:"tail" minimum:"-1" default:"-1" doc:"how many of the last lines to begin with; -1 for all"`
	Since  string `query:"since" maxLength:"64" doc:"time in RFC 3339, or duration before now, such as 10m"`
	Step   string `query:"step" enum:"bootstrap,startup" doc:"of one step only"`
}

// logs reads a session's log as its code may have left it: bounded, and through nothing but its own directory.
func (x sessionRoutes) logs(
	ctx context.Context, caller identity.Caller, in *logsIn,
) (func(context.Context, *sink) error, error) {
	since, err := since(in.Since, time.Now())
	if err != nil {
		return nil, err
	}
	rec, ended, err := x.Finder.Follow(caller, in.Ref)
	if err != nil {
		return nil, err
	}
	about(ctx, rec)
	return func(ctx context.Context, out *sink) error {
		dir, err := x.openLogs(ctx, caller, rec, in.Follow, ended)
		if dir == nil || err != nil {
			return err
		}
		defer dir.Close() //nolint:errcheck // only read
		o := sessionlog.Options{Name: job.LogName, Tail: in.Tail, Since: since}
		skip := 0
		if in.Step != "" && in.Tail >= 0 {
			// The last lines of a step are not among the last lines of all: count them first.
			o.Tail, skip = -1, -in.Tail
			err := sessionlog.Read(ctx, dir, o, func(l sessionlog.Line) error {
				if l.Step == in.Step {
					skip++
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if in.Follow {
			o.Ended = ended
		}
		return sessionlog.Read(ctx, dir, o, func(l sessionlog.Line) error {
			if in.Step != "" && l.Step != in.Step {
				return nil
			}
			if skip--; skip >= 0 {
				return nil
			}
			return out.line(logLine(l))
		})
	}, nil
}

// openLogs opens the directory of the log. A session that has none yet, or none any more, has no log: nil, unless it is
// followed and can still get one.
func (x sessionRoutes) openLogs(
	ctx context.Context, caller identity.Caller, rec session.Record, follow bool, ended <-chan struct{},
) (*os.File, error) {
	_, events, cancel := x.Events.Listen(caller, false, rec.ID, -1)
	defer cancel()
	for over := false; ; {
		dir, err := x.Logs(rec)
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case !follow || over:
			return nil, nil //nolint:nilnil // there is no log, and that is no error
		}
		select {
		case <-events:
		case <-ended:
			over = true
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // nobody waits any more
		}
	}
}

// since reads a point in time, as such or as a duration before now.
func since(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := resource.ParseDuration(text)
	if err != nil {
		return time.Time{}, errs.New(errs.Invalid,
			"since=%q is neither a time such as 2026-01-02T15:04:05Z nor a duration before now such as 10m", text)
	}
	return now.Add(-ago), nil
}

// logLine is a line on the wire.
func logLine(l sessionlog.Line) api.LogLine {
	line := api.LogLine{Time: l.Time, Step: l.Step, Stream: "damaged", Text: string(l.Text), Partial: l.Partial}
	switch l.Stream {
	case sessionlog.Stdout:
		line.Stream = "stdout"
	case sessionlog.Stderr:
		line.Stream = "stderr"
	case sessionlog.Init:
		line.Stream = "init"
	case sessionlog.Damaged:
	}
	if !utf8.Valid(l.Text) {
		line.Raw = l.Text
		line.Text = strings.ToValidUTF8(line.Text, "\uFFFD")
	}
	return line
}
