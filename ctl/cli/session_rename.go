package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sessionRename() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rename SESSION NAME",
		Short: "Give a living session another name",
		Long: `Give a living session another name, which none of your other living sessions may
have. What runs in it goes on; its id stays, and so does what it was told at its
start: $BACKENDAI_SESSION_NAME is the name that it had then.`,
		Example: `  ctl session rename template1234 try-2

  # By its id, when the name is somebody's guess
  ctl session rename s3f9 baseline`,
		Args:              argumentNames("SESSION", "NAME"),
		ValidArgsFunction: a.completeSessions(1, false),
	}
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := a.client().RenameSession(cmd.Context(), args[0], args[1])
		if err != nil {
			return err
		}
		return a.sessions(f, []api.Session{s}, func(s api.Session) string { return "session " + s.ID + " is now " + s.Name })
	}
	return cmd
}
