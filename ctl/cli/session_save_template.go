package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// savedOutput is what save-template prints with -o json.
type savedOutput struct {
	SchemaVersion int `json:"schema_version"`
	api.SavedTemplate
}

func (a *app) sessionSaveTemplate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "save-template SESSION NAME",
		Short: "Make a template of what a session is",
		Long: `Make a template of what a session is: its own template with all that flags have
changed. A session that is started from it has the same plan.

With --pin the commit and the image's digest that the session has are written
into it. A literal secret is kept apart from the text, as always; --dry-run only
prints the text.`,
		Example: `  ctl session save-template try-7 train-best
  ctl session save-template --pin try-7 paper-figures

  # To edit it first
  ctl session save-template --dry-run try-7 train-best > train.yaml`,
		Args:              argumentNames("SESSION", "NAME"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	var req api.SaveTemplateRequest
	cmd.Flags().BoolVar(&req.Pin, "pin", false, "write down the commit and the image's digest that it has")
	cmd.Flags().BoolVar(&req.TextOnly, "dry-run", false, "only print the text")
	f := addOutput(cmd, formatText, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		req.Name = args[1]
		saved, err := a.client().SaveTemplate(cmd.Context(), args[0], req)
		if err != nil {
			return err
		}
		for _, note := range saved.Notes {
			a.note("note: %s", note)
		}
		switch {
		case f.value == formatJSON || f.value == formatYAML:
			return a.data(f.value, savedOutput{SchemaVersion: api.SchemaVersion, SavedTemplate: saved})
		case req.TextOnly:
			return a.print(saved.Text)
		case a.quiet:
			return a.println("%s", saved.Written.Template.ID)
		case f.value == formatName:
			return a.println("%s", saved.Written.Template.Name)
		}
		return a.println("created %s (%s)", saved.Written.Template.Name, saved.Written.Template.ID)
	}
	return cmd
}
