package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) sesstplUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update TEMPLATE [-f FILE]",
		Short: "Replace the text of a template",
		Long: `Replace the text of a template by a document that holds exactly one template.
The old text stays as a revision.

With --revision, only if that revision is still the newest: if somebody changed
the template since, the update is a conflict and nothing is stored. The
document may have another metadata.name: that renames the template.

A password that get shows as ${agentd:kept} is kept as it is when the text
comes back with that.`,
		Example: `  ctl sesstpl update template1234 -f session-template.yaml
  ctl sesstpl update k3f9xq2b < session-template.yaml

  # Only if nobody changed it since revision 3
  ctl sesstpl update template1234 --revision 3 -f session-template.yaml`,
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, false),
	}
	file := cmd.Flags().StringP("file", "f", "", "`file` with the template, or - for standard input")
	revision := cmd.Flags().Int("revision", 0, "`number` of the revision that the change was made from")
	f, o := addWrittenOutput(cmd), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := positive(cmd, "revision", *revision); err != nil {
			return err
		}
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		doc, err := a.document(cmd, *file)
		if err != nil {
			return err
		}
		w, err := a.client().Update(cmd.Context(), ref, doc, *revision)
		if err != nil {
			return err
		}
		return a.written(f, []api.Written{w})
	}
	return cmd
}
