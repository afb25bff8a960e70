package cli

import (
	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/version"
)

// versionOutput is what version prints with -o json.
type versionOutput struct {
	SchemaVersion int    `json:"schema_version"`
	Client        string `json:"client"`
	// Daemon is empty if agentd was not reached.
	Daemon string `json:"daemon,omitempty"`
}

func (a *app) version() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of ctl and agentd",
		Long: `Print the version of ctl and, if it can be reached, that of agentd. It ends
well without agentd too, and says on standard error why it was not reached.`,
		Example: `  ctl version
  ctl version -o json`,
		Args: argumentNames(),
	}
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v := versionOutput{SchemaVersion: api.SchemaVersion, Client: version.String()}
		health, err := a.client().Health(cmd.Context())
		v.Daemon = health.Version
		if err != nil {
			a.note("%s", sentence(err))
		}
		switch {
		case a.quiet:
			return a.println("%s", v.Client)
		case f.value == formatJSON || f.value == formatYAML:
			return a.data(f.value, v)
		case f.value == formatTable:
			t := &table{header: []column{{title: "PROGRAM"}, {title: "VERSION"}}}
			t.add("ctl", v.Client)
			t.add("agentd", v.Daemon)
			return a.table(t)
		case v.Daemon == "":
			return a.println("ctl %s", v.Client)
		}
		return a.lines([]string{"ctl " + v.Client, "agentd " + v.Daemon})
	}
	return cmd
}
