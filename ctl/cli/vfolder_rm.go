package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) vfolderRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm VFOLDER...",
		Aliases: []string{"delete"},
		Short:   "Remove vfolders with their files",
		Long: `Remove vfolders with all that is in them, for good. Of one that stands for a
directory of yours elsewhere only the name goes.

This is asked on a terminal, and needs --yes without one.`,
		Example: `  ctl vfolder rm results
  ctl vfolder rm --yes results-1 results-2`,
		Args:              argumentNames("VFOLDER..."),
		ValidArgsFunction: a.completeVFolders(-1),
	}
	var yes, force bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "the same as --yes")
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes && !force {
			if err := a.confirmRemoval(cmd, args); err != nil {
				return err
			}
		}
		c := a.client()
		// All of them or none: a name that is a file's in the first one must not cost that its directory.
		for _, name := range args {
			if _, err := c.VFolder(cmd.Context(), name); err != nil {
				return err
			}
		}
		var done []api.VFolder
		var first error
		for _, name := range args {
			v, err := c.RemoveVFolder(cmd.Context(), name)
			if err != nil {
				first = err
				break
			}
			done = append(done, v)
		}
		err := a.vfolders(f, done, func(v api.VFolder) string { return "removed " + v.Name })
		if first != nil {
			return first
		}
		return err
	}
	return cmd
}
