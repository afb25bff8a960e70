package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
)

// getOutput is what get prints with -o json.
type getOutput struct {
	SchemaVersion int          `json:"schema_version"`
	Template      api.Template `json:"template"`
	// Text is that of the revision asked for, and TextRevision its number.
	Text         string `json:"text"`
	TextRevision int    `json:"text_revision"`
}

func (a *app) sesstplGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get TEMPLATE",
		Short: "Print a template as it was written",
		Long: `Print the text of a template byte for byte as it was written, comments and all.

Only literal passwords are not in it: ${agentd:kept} stands in their place, and
may come back so with update. Their owner sees them with --show-secrets. -o
json and -o yaml print what agentd knows of the template, and the text in a
field.`,
		Example: `  ctl sesstpl get template1234

  # Take it to another machine
  ctl sesstpl get template1234 | ssh other ctl sesstpl create

  # The text of an older revision
  ctl sesstpl get template1234 --revision 1`,
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, false),
	}
	revision := cmd.Flags().Int("revision", 0, "`number` of the revision; the newest by default")
	secrets := cmd.Flags().Bool("show-secrets", false, "print passwords too; for the owner")
	f := addOutput(cmd, formatText, formatJSON, formatYAML, formatTable, formatName)
	o := addOwner(cmd)
	// The flag of backend.ai's command, where yaml means the document.
	written := &format{allowed: []string{formatYAML, formatJSON}}
	cmd.Flags().VarP(written, "format", "f", "yaml: the document as it was written; json: as -o json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := apart(cmd, "format", "output"); err != nil {
			return err
		}
		if err := positive(cmd, "revision", *revision); err != nil {
			return err
		}
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		kind := f.value
		if written.value == formatJSON {
			kind = formatJSON
		}
		return a.get(cmd, kind, ref, *revision, *secrets)
	}
	return cmd
}

func (a *app) get(cmd *cobra.Command, kind string, ref client.Ref, revision int, secrets bool) error {
	c := a.client()
	if kind == formatText && !a.quiet {
		text, _, err := c.Text(cmd.Context(), ref, revision, secrets)
		if err != nil {
			return err
		}
		return a.print(string(text))
	}
	t, err := c.Template(cmd.Context(), ref)
	switch {
	case err != nil:
		return err
	case a.quiet:
		return a.println("%s", t.ID)
	case kind == formatName:
		return a.println("%s", t.Name)
	case kind == formatTable:
		return a.table(describe(t, a.now()))
	}
	// By its id: another may have got the name in between.
	ref = client.Ref{Name: t.ID, Owner: &t.OwnerUID}
	text, number, err := c.Text(cmd.Context(), ref, revision, secrets)
	if err != nil {
		return err
	}
	return a.data(kind, getOutput{
		SchemaVersion: api.SchemaVersion, Template: t, Text: string(text), TextRevision: number,
	})
}

// describe is one template, a field a row.
func describe(t api.Template, now time.Time) *table {
	d := &table{header: []column{{title: "FIELD"}, {title: "VALUE", shrinks: true}}}
	d.add("name", t.Name)
	d.add("id", t.ID)
	d.add("tag", t.Tag)
	d.add("description", t.Description)
	d.add("owner", userName(t.OwnerUID))
	d.add("type", t.Type)
	d.add("image", t.Image)
	d.add("architecture", t.Architecture)
	d.add("revision", strconv.Itoa(t.Revision))
	d.add("created", when(t.CreatedAt, now))
	d.add("updated", when(t.UpdatedAt, now))
	return d
}
