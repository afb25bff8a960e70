package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/client"
)

func (a *app) sesstplApply() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply [-f FILE]...",
		Short: "Create the templates that are new, update those of the same name",
		Long: `Create the templates that are new, and update those that are there under the
same name.

Applying a file again changes nothing and makes no revision. A directory stands
for the .yaml, .yml and .json files in it, so that a checkout of templates can
be applied as a whole; what is not in it any more is not deleted.`,
		Example: `  ctl sesstpl apply -f session-template.yaml

  # All templates of a directory
  ctl sesstpl apply -f templates/`,
		Args: argumentNames(),
	}
	return a.putting(cmd, (*client.Client).Apply)
}
