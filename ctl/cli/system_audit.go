package cli

import (
	"cmp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

func (a *app) systemAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who did what",
		Long: `Show what you did and were refused, and what others did with what is yours:
every change, every command in a session, every refusal, and what administrators
looked at. WHO and PID are the caller's as the kernel told them. Administrators
see everybody's with --all-users.

agentd keeps the newest audit.max of its configuration for each user; the same
has the journal: journalctl -u agentd AGENTD_ACTION=launch-session.`,
		Example: `  ctl system audit --since 24h

  # Who was in this session?
  ctl system audit --session template1234 -o json | jq '.entries[].action'

  # What was alice refused? (as an administrator)
  ctl system audit --all-users --user alice -o json |
    jq '.entries[] | select(.outcome == "refused")'`,
		Args: argumentNames(),
	}
	var q api.AuditQuery
	by := &owner{}
	flags := cmd.Flags()
	flags.StringVar(&q.Since, "since", "", "only what was done since a `time` (2026-01-02T15:04:05Z) or for a duration (24h)")
	flags.StringVar(&by.text, "user", "", "only what this `user` (uid or name) did")
	flags.StringVar(&q.Session, "session", "", "only what was done with this `session` (id or name)")
	flags.StringVar(&q.Template, "template", "", "only what was done with this `template` (id or name)")
	flags.BoolVar(&q.AllUsers, "all-users", false, "everybody's; for administrators")
	flags.IntVarP(&q.Limit, "tail", "n", 0, "only the newest `number` of entries")
	completeFlag(cmd, "since", []string{"1h", "24h", "7d"})
	f := addOutput(cmd, formatTable, formatJSON, formatYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if q.UID, err = by.flag(cmd, "user"); err != nil {
			return err
		}
		if q.Limit < 0 || q.Limit > api.MaxAudit {
			return usage(cmd, "--tail %d: want 1 to %d", q.Limit, api.MaxAudit)
		}
		list, err := a.client().Audit(cmd.Context(), q)
		switch {
		case err != nil:
			return err
		case f.value != formatTable:
			return a.data(f.value, list)
		}
		return a.table(auditTable(list.Entries))
	}
	return cmd
}

// auditTable has a line for each entry, oldest first: the newest is where one looks.
func auditTable(entries []api.AuditEntry) *table {
	t := &table{header: []column{
		{title: "TIME"}, {title: "WHO"}, {title: "PID"}, {title: "ACTION"}, {title: "OF"}, {title: "WHAT", shrinks: true},
		{title: "OUTCOME", shrinks: true},
	}}
	for _, e := range entries {
		of := ""
		if e.Owner != nil {
			of = userName(*e.Owner)
		}
		t.add(e.Time.Local().Format(time.DateTime), userName(e.UID), strconv.Itoa(int(e.PID)), e.Action, of, auditWhat(e),
			auditOutcome(e))
	}
	return t
}

// auditWhat is the thing by its name.
func auditWhat(e api.AuditEntry) string {
	switch {
	case e.Session != "":
		return e.SessionName + " (" + e.Session + ")"
	case e.Template != "":
		return e.TemplateName + " (" + e.Template + ")"
	}
	return cmp.Or(e.VFolder, e.Ref)
}

func auditOutcome(e api.AuditEntry) string {
	text := e.Outcome
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Repeated > 0 {
		text += " (and " + strconv.Itoa(e.Repeated) + " times before)"
	}
	return text
}
