package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sesstplRollback() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback TEMPLATE REVISION",
		Short: "Make an older revision the newest",
		Long: `Make the text of an older revision the newest, as a new revision: nothing is
lost, and a rollback can be rolled back.`,
		Example: `  ctl sesstpl history template1234
  ctl sesstpl rollback template1234 1

  # The same
  ctl sesstpl rollback template1234 --to 1`,
		Args:              argumentNames("TEMPLATE", "REVISION?"),
		ValidArgsFunction: a.completeRevisions(1),
	}
	to := cmd.Flags().Int("to", 0, "`number` of the revision, instead of the argument")
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := positive(cmd, "to", *to); err != nil {
			return err
		}
		revision := *to
		switch {
		case len(args) == 2 && revision != 0:
			return usage(cmd, "give the revision once: as an argument or with --to")
		case len(args) == 1 && revision == 0:
			return usage(cmd, "%s needs REVISION", called(cmd))
		case len(args) == 2:
			n, err := revisionNumber(cmd, args[1])
			if err != nil {
				return err
			}
			revision = n
		}
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		w, err := a.client().Rollback(cmd.Context(), ref, revision)
		if err != nil {
			return err
		}
		return a.written(f, []api.Written{w})
	}
	return cmd
}
