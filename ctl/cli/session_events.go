package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/template"
)

func (a *app) sessionEvents() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events [SESSION]",
		Short: "Show what happens to sessions",
		Long: `Show what happened to a session, or to all of yours, since agentd was started
(the newest few thousand events); with -f also what happens from now on, for
one session until it has ended.

-o json prints one JSON value a line.`,
		Example: `  ctl session events template1234

  # Follow everything, for a script
  ctl session events -f -o json | jq -r 'select(.kind == "status") | .status'`,
		Args:              argumentNames("SESSION?"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	var q api.EventQuery
	var after int64
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with what happens from now on")
	cmd.Flags().BoolVar(&q.AllUsers, "all-users", false, "of everybody's sessions; for administrators")
	cmd.Flags().Int64Var(&after, "after", 0, "go on from the event with this `sequence` number; -1 for new ones only")
	f := addOutput(cmd, formatText, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			q.Session = args[0]
		}
		if after < -1 {
			return usage(cmd, "--after %d is not a sequence number", after)
		}
		q.After = &after
		return a.events(cmd.Context(), q, f.value)
	}
	return cmd
}

func (a *app) events(ctx context.Context, q api.EventQuery, kind string) error {
	stream, err := a.client().Events(ctx, q)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && ctx.Err() != nil {
			// Ctrl-C is how one stops to follow.
			return exitStatus(exitInterrupted)
		}
		if err != nil {
			return err
		}
		if kind == formatText {
			err = a.println("%s", eventText(e))
		} else {
			err = a.item(kind, e)
		}
		if err != nil {
			return err
		}
	}
}

// item prints one of many values that come one by one: as JSON on one line, or as a YAML document.
func (a *app) item(kind string, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	if kind == formatYAML {
		if text, err = template.YAML(text); err != nil {
			return errs.New(errs.Internal, "print YAML: %w", err)
		}
		return a.print("---\n" + string(text))
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return errs.New(errs.Internal, "print JSON: %w", err)
	}
	return a.print(line.String() + "\n")
}

// eventText is an event as a line for people.
func eventText(e api.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s ", e.Time.Local().Format("15:04:05"), e.Name)
	switch e.Kind {
	case api.EventStatus:
		b.WriteString(string(e.Status))
		if e.Reason != "" {
			b.WriteString(" (" + e.Reason + ")")
		}
	case api.EventStep:
		b.WriteString(e.Step + " " + e.State)
		if e.Took > 0 {
			b.WriteString(" after " + rounded(e.Took))
		}
	case api.EventProgress:
		b.WriteString(strings.TrimSpace(e.Step + " " + amount(e)))
	default:
		b.WriteString(e.Kind)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	return b.String()
}
