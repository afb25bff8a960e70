package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/template"
)

func (a *app) sesstplSchema() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of template documents",
		Long: `Print the JSON Schema (draft 2020-12) of template documents, for editors that
complete and check while you type. It needs no agentd. It refuses nothing that
validate accepts; some rules of validate are beyond a schema.`,
		Example: `  ctl sesstpl schema > session-template.schema.json

  # Then, as the first line of a template, for editors with yaml-language-server:
  # yaml-language-server: $schema=session-template.schema.json`,
		Args: argumentNames(),
	}
	f := addOutput(cmd, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		text := template.Schema()
		if f.value == formatYAML {
			yaml, err := template.YAML(text)
			if err != nil {
				return err
			}
			text = yaml
		}
		return a.print(string(text))
	}
	return cmd
}
