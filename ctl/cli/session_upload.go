package cli

import (
	"github.com/spf13/cobra"
)

// sessionUpload and sessionDownload are cp under the names and in the order that Backend.AI has.
func (a *app) sessionUpload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upload SESSION FILE...",
		Short: "Copy files into a session's /home/work",
		Long: `Copy files and directories into a session's /home/work, under their own names:
the same as cp FILE SESSION: for each of them.`,
		Example:           `  ctl session upload train-1 data.csv model.py`,
		Args:              argumentNames("SESSION", "FILE..."),
		ValidArgsFunction: a.completeUploadTo,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "%s needs FILE", called(cmd))
		}
		for _, file := range args[1:] {
			if err := a.copyOne(cmd.Context(), copyEnd{path: file}, copyEnd{session: args[0], path: "./"}, copying{}); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (a *app) completeUploadTo(
	cmd *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeSessions(1, true)(cmd, args, begun)
}

func (a *app) sessionDownload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "download SESSION PATH...",
		Short: "Copy files out of a session",
		Long: `Copy files and directories out of a session, into the current directory or the
one that --dest names: the same as cp SESSION:PATH DEST. A PATH that is not
absolute is below /home/work.`,
		Example: `  ctl session download train-1 metrics.json
  ctl session download train-1 plots --dest ~/paper`,
		Args:              argumentNames("SESSION", "PATH..."),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	dest := cmd.Flags().String("dest", ".", "`directory` of here")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usage(cmd, "%s needs PATH", called(cmd))
		}
		for _, name := range args[1:] {
			err := a.copyOne(cmd.Context(), copyEnd{session: args[0], path: name}, copyEnd{path: *dest + "/"}, copying{})
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
