package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/session"
)

// sessionHistoryOutput is what status-history prints with -o json.
type sessionHistoryOutput struct {
	SchemaVersion int `json:"schema_version"`
	api.SessionHistory
}

func (a *app) sessionHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status-history SESSION",
		Short: "List the statuses that a session went through",
		Long: `List the statuses that a session went through, oldest first: when it entered
each, how long it stayed, and why it changed. Lines are only ever added.`,
		Example:           `  ctl session status-history template1234`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, true),
	}
	f := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		h, err := a.client().SessionHistory(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if a.quiet || f.value == formatName {
			return a.lines(each(h.History, func(t session.Transition) string { return string(t.Status) }))
		}
		if f.value != formatTable {
			return a.data(f.value, sessionHistoryOutput{SchemaVersion: api.SchemaVersion, SessionHistory: h})
		}
		return a.table(a.historyTable(h))
	}
	return cmd
}

func (a *app) historyTable(h api.SessionHistory) *table {
	t := &table{header: []column{
		{title: "#"}, {title: "STATUS"}, {title: "ENTERED"}, {title: "STAYED"}, {title: "REASON"},
		{title: "MESSAGE", shrinks: true},
	}}
	for i, line := range h.History {
		stayed := ""
		switch {
		case i+1 < len(h.History):
			stayed = rounded(h.History[i+1].Time.Sub(line.Time))
		case !line.Status.Final():
			stayed = rounded(a.now().Sub(line.Time))
		}
		t.add(strconv.Itoa(line.Sequence), string(line.Status), line.Time.Local().Format("2006-01-02 15:04:05"),
			stayed, line.Reason, line.Message)
	}
	return t
}
