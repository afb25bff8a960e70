package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// historyOutput is what history prints with -o json.
type historyOutput struct {
	SchemaVersion int `json:"schema_version"`
	api.History
}

func (a *app) sesstplHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history TEMPLATE",
		Short: "List the revisions of a template",
		Long: `List the revisions of a template, newest first: when each was made, by whom,
and why. A deleted template has its history until it is gone for good.`,
		Example: `  ctl sesstpl history template1234

  # Then look at one, or compare two
  ctl sesstpl get template1234 --revision 2
  ctl sesstpl diff template1234 2 3`,
		Args:              argumentNames("TEMPLATE"),
		ValidArgsFunction: a.completeTemplates(1, false),
	}
	f, o := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := o.ref(cmd, args[0])
		if err != nil {
			return err
		}
		h, err := a.client().History(cmd.Context(), ref)
		if err != nil {
			return err
		}
		return a.history(f, h)
	}
	return cmd
}

func (a *app) history(f *format, h api.History) error {
	number := func(r api.Revision) string { return strconv.Itoa(r.Revision) }
	if a.quiet || f.value == formatName {
		return a.lines(each(h.Revisions, number))
	}
	if f.value != formatTable {
		return a.data(f.value, historyOutput{SchemaVersion: api.SchemaVersion, History: h})
	}
	t := &table{header: []column{
		{title: "REVISION"}, {title: "MADE"}, {title: "BY"}, {title: "CAUSE", shrinks: true},
		{title: "NAME", shrinks: true}, {title: "BYTES"},
	}}
	for _, r := range h.Revisions {
		t.add(number(r), when(r.Time, a.now()), userName(r.AuthorUID), r.Cause, r.Name, strconv.Itoa(r.Size))
	}
	return a.table(t)
}
