package cli

import (
	"context"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/session"
)

func (a *app) sessionRestart() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart SESSION...",
		Short: "End what runs in sessions, and begin them anew",
		Long: `End what runs in sessions, politely, begin them anew, and wait until they run.
Each stays the same session: its id, its name, the revision of its template, the
commit, and all files in /home/work. Bootstrap and startup run again, in a new
container, so that what was changed in the image's own files is gone; so are
open terminals, commands and forwarded ports.

A session that has ended is started again, as a new one, by relaunch.`,
		Example: `  ctl session restart template1234

  # All that run
  ctl session restart $(ctl session ls -q --status RUNNING)`,
		Args:              argumentNames("SESSION..."),
		ValidArgsFunction: a.completeSessions(-1, false),
	}
	noWait := cmd.Flags().Bool("no-wait", false, "do not wait until they run again")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		done, err := a.restart(cmd.Context(), a.client(), args, !*noWait)
		if printErr := a.sessions(f, done, ending); printErr != nil && err == nil {
			err = printErr
		}
		return err
	}
	return cmd
}

// restart asks all of them first, then waits for each. It goes on after a failure and returns the first.
func (a *app) restart(ctx context.Context, c *client.Client, refs []string, wait bool) ([]api.Session, error) {
	var first error
	var asked []api.Session
	for _, ref := range refs {
		s, err := c.RestartSession(ctx, ref)
		if err == nil {
			asked = append(asked, s)
		} else if first == nil {
			first = err
		}
	}
	if !wait {
		return asked, first
	}
	for i, s := range asked {
		info, err := a.until(ctx, c, s.ID, func(s session.Status) bool { return s == session.Running || s.Final() })
		if err != nil {
			return asked[:i], err
		}
		if asked[i] = info.Session; first == nil && info.Status != session.Running {
			first = errs.New(errs.Conflict, "session %s did not come to run again: it is %s", subject(info.Session), info.Status).
				WithHint("ctl session why %s", info.ID)
		}
	}
	return asked, first
}
