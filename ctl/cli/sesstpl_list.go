package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// listOutput is what list prints with -o json.
type listOutput struct {
	SchemaVersion int            `json:"schema_version"`
	Templates     []api.Template `json:"templates"`
}

func (a *app) sesstplList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List templates",
		Long: `List your templates, sorted by name.

Deleted templates are listed only with --deleted, with the time when each is
gone for good.`,
		Example: `  ctl sesstpl list

  # What can still be restored
  ctl sesstpl list --deleted

  # The images in use, for a script
  ctl sesstpl list -o json | jq -r '.templates[].image'`,
		Args: argumentNames(),
	}
	var q api.ListQuery
	cmd.Flags().BoolVar(&q.Deleted, "deleted", false, "list the deleted ones instead")
	cmd.Flags().BoolVar(&q.AllUsers, "all-users", false, "list everybody's; for administrators")
	cmd.Flags().BoolVarP(&q.AllUsers, "list-all", "a", false, "the same as --all-users")
	hide(cmd, "list-all")
	f, o := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := apart(cmd, "all-users", "owner"); err != nil {
			return err
		}
		uid, err := o.uid(cmd)
		if err != nil {
			return err
		}
		q.Owner = uid
		templates, err := a.client().Templates(cmd.Context(), q)
		if err != nil {
			return err
		}
		return a.list(f, q, templates)
	}
	return cmd
}

func (a *app) list(f *format, q api.ListQuery, templates []api.Template) error {
	switch {
	case a.quiet:
		return a.lines(each(templates, func(t api.Template) string { return t.ID }))
	case f.value == formatName:
		return a.lines(each(templates, func(t api.Template) string { return t.Name }))
	case f.value != formatTable:
		return a.data(f.value, listOutput{SchemaVersion: api.SchemaVersion, Templates: templates})
	case len(templates) == 0 && q.Deleted:
		a.note("no deleted templates")
	case len(templates) == 0:
		a.note("no templates yet; to create one: ctl sesstpl create -f FILE")
	}
	return a.table(a.listTable(q, templates))
}

// listTable is the list as people see it.
func (a *app) listTable(q api.ListQuery, templates []api.Template) *table {
	t := &table{header: []column{
		{title: "NAME", shrinks: true}, {title: "ID"}, {title: "TYPE"}, {title: "IMAGE", shrinks: true},
		{title: "REVISION"}, {title: "UPDATED"},
	}}
	if q.Deleted {
		t.header[5] = column{title: "DELETED"}
		t.header = append(t.header, column{title: "GONE"})
	}
	if q.AllUsers {
		t.header = append(t.header, column{title: "OWNER"})
	}
	now := a.now()
	for _, tpl := range templates {
		row := []string{tpl.Name, tpl.ID, tpl.Type, tpl.Image, strconv.Itoa(tpl.Revision), when(tpl.UpdatedAt, now)}
		if q.Deleted {
			row[5] = when(orZero(tpl.DeletedAt), now)
			row = append(row, when(orZero(tpl.PurgeAt), now))
		}
		if q.AllUsers {
			row = append(row, userName(tpl.OwnerUID))
		}
		t.add(row...)
	}
	return t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
