package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sesstplCopy() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "copy TEMPLATE NAME",
		Aliases: []string{"cp"},
		Short:   "Make a new template from another",
		Long: `Make a new template from the newest text of another, under another name.
Nothing else of the text changes; passwords that are kept apart are copied too.
The copy has revisions of its own.`,
		Example:           `  ctl sesstpl copy template1234 template1234-big`,
		Args:              argumentNames("TEMPLATE", "NAME"),
		ValidArgsFunction: a.completeTemplates(1, false),
	}
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		w, err := a.client().Copy(cmd.Context(), ref, args[1])
		if err != nil {
			return err
		}
		return a.written(f, []api.Written{w})
	}
	return cmd
}
