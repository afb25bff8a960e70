package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/resource"
)

func (a *app) sessionPrune() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Forget all sessions that have ended, with their logs and files",
		Long: `Forget your sessions that have ended, as rm does: their records, their logs and
their files. With --older-than only those that ended that long ago. It tells
which, and asks on a terminal; without one it needs --force.

The agent does the same by itself when their time is over: ctl session info says
when the files of a session go.`,
		Example: `  ctl session prune

  # What is older than a week, from a script
  ctl session prune --older-than 168h --force`,
		Args: argumentNames(),
	}
	var older string
	var force bool
	cmd.Flags().StringVar(&older, "older-than", "", "only those that ended at least that `time` ago, such as 48h")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	cmd.Flags().BoolVarP(&force, "yes", "y", false, "the same as --force")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		age := time.Duration(0)
		if older != "" {
			var err error
			if age, err = resource.ParseDuration(older); err != nil {
				return usage(cmd, "--older-than: %s", err.Error())
			}
		}
		return a.prune(cmd, f, age, force)
	}
	return cmd
}

func (a *app) prune(cmd *cobra.Command, f *format, age time.Duration, force bool) error {
	if !force && (terminal(a.In) == nil || terminal(a.Err) == nil) {
		return usage(cmd, "%s without a terminal needs --force", called(cmd))
	}
	c, ctx := a.client(), cmd.Context()
	q := api.SessionQuery{Ended: true}
	ended, err := c.Sessions(ctx, q)
	if err != nil {
		return err
	}
	limit := a.now().Add(-age)
	ended = slices.DeleteFunc(ended, func(s api.Session) bool {
		return !s.Status.Final() || s.EndedAt == nil || s.EndedAt.After(limit)
	})
	if len(ended) == 0 && f.value == formatText && !a.quiet {
		a.note("nothing to prune: no session has ended%s", agoText(age))
		return nil
	}
	if !force && len(ended) > 0 {
		// A table's cells are safe for a terminal already.
		fmt.Fprint(a.Err, a.sessionTable(q, ended).render(a.outWidth())) //nolint:errcheck // as for the question
		if err := a.ask(fmt.Sprintf("Remove these %d sessions with their logs and files?", len(ended))); err != nil {
			return err
		}
	}
	var done []api.Session
	var first error
	for _, s := range ended {
		gone, err := c.RemoveSession(ctx, s.ID)
		switch {
		case err == nil:
			done = append(done, gone)
		case errs.Is(err, errs.NotFound):
			// Somebody else was quicker.
		case first == nil:
			first = err
		}
	}
	err = a.sessions(f, done, func(s api.Session) string { return "removed " + subject(s) })
	if first != nil {
		return first
	}
	return err
}

func agoText(age time.Duration) string {
	if age == 0 {
		return ""
	}
	return " " + span(age) + " ago or before"
}
