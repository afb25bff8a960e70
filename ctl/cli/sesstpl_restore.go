package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sesstplRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore TEMPLATE",
		Short: "Bring a deleted template back",
		Long: `Bring a deleted template back, as it was and with all its revisions.

TEMPLATE is the id that delete and list --deleted tell, or the name: of several
deleted under one name, the last. If the name has been taken since, give
another one with --name.`,
		Example: `  ctl sesstpl restore template1234
  ctl sesstpl restore k3f9xq2b --name template1234-old`,
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, true),
	}
	name := cmd.Flags().String("name", "", "restore it under this `name`")
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		w, err := a.client().Restore(cmd.Context(), ref, *name)
		if err != nil {
			return err
		}
		return a.written(f, []api.Written{w})
	}
	return cmd
}
