package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sessionRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm SESSION...",
		Aliases: []string{"remove"},
		Short:   "Forget sessions that have ended, with their logs and files",
		Long: `Forget sessions that have ended: their records, their logs and their files, that
is what they left in /home/work. What they wrote into vfolders stays.

A session that lives is a conflict; with --force it is terminated first.`,
		Example: `  ctl session rm train-1

  # End it and forget it
  ctl session rm --force template1234`,
		Args:              argumentNames("SESSION..."),
		ValidArgsFunction: a.completeSessions(-1, true),
	}
	force := cmd.Flags().BoolP("force", "f", false, "terminate those that live first")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, ctx := a.client(), cmd.Context()
		var done []api.Session
		var first error
		for _, ref := range args {
			err := error(nil)
			if *force {
				var ended []api.Session
				if ended, err = a.terminate(ctx, c, []string{ref}, false, true); err == nil {
					ref = ended[0].ID
				}
			}
			var s api.Session
			if err == nil {
				s, err = c.RemoveSession(ctx, ref)
			}
			if err == nil {
				done = append(done, s)
			} else if first == nil {
				first = err
			}
		}
		err := a.sessions(f, done, func(s api.Session) string { return "removed " + subject(s) })
		if first != nil {
			return first
		}
		return err
	}
	return cmd
}
