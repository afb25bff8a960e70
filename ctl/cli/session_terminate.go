package cli

import (
	"context"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
)

func (a *app) sessionTerminate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "terminate SESSION...",
		Aliases: []string{"destroy", "kill"},
		Short:   "End sessions",
		Long: `End sessions, and wait until they have ended. What runs in them is asked to
end, and killed when its grace is over (sessions.stop_grace of the agent); with
--force at once. A session that does not run yet is cancelled. The name or id of
an array stands for all its sessions.

Logs and files stay until rm, or until the agent's time for them is over. One
that has ended already is no error.`,
		Example: `  ctl session terminate template1234
  ctl session kill --force template1234

  # All that live
  ctl session terminate $(ctl session ls -q)`,
		Args:              argumentNames("SESSION..."),
		ValidArgsFunction: a.completeSessions(-1, false),
	}
	force := cmd.Flags().BoolP("force", "f", false, "kill at once")
	cmd.Flags().BoolVar(force, "forced", false, "the same as --force")
	hide(cmd, "forced")
	noWait := cmd.Flags().Bool("no-wait", false, "do not wait until they have ended")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		refs, _, err := a.members(cmd.Context(), a.client(), args)
		if err != nil {
			return err
		}
		done, err := a.terminate(cmd.Context(), a.client(), refs, *force, !*noWait)
		if printErr := a.sessions(f, done, terminated); printErr != nil && err == nil {
			err = printErr
		}
		return err
	}
	return cmd
}

// hide takes a flag that is there for other fingers out of the help.
func hide(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		cmd.Flags().Lookup(flag).Hidden = true
	}
}

// terminate asks all of them first, then waits for each. It goes on after a failure and returns the first.
func (a *app) terminate(ctx context.Context, c *client.Client, refs []string, force, wait bool) ([]api.Session, error) {
	var first error
	var asked []api.Session
	for _, ref := range refs {
		s, err := c.Terminate(ctx, ref, force)
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
		info, err := a.until(ctx, c, s.ID, finished)
		if err != nil {
			return asked[:i], err
		}
		asked[i] = info.Session
	}
	return asked, first
}

func terminated(s api.Session) string {
	if !s.Status.Final() {
		return "asked " + subject(s) + " to end"
	}
	return ending(s)
}
