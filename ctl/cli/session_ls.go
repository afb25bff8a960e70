package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/session"
)

func (a *app) sessionList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"ps", "list"},
		Short:   "List sessions",
		Long: `List your living sessions, newest first; with --all those that have ended too,
as long as agentd keeps them. A number behind the status is the place in the
queue; ctl session why tells what a session waits for.`,
		Example: `  ctl session ls
  ctl session ls --all

  # The ids of the living ones, for a script
  ctl session ls -q`,
		Args: argumentNames(),
	}
	var q api.SessionQuery
	cmd.Flags().BoolVarP(&q.Ended, "all", "a", false, "list those that have ended too")
	status := cmd.Flags().StringP("status", "s", "", "list those of a `status` only, such as RUNNING")
	// As Backend.AI's own ps has them.
	running, dead := cmd.Flags().Bool("running", false, ""), cmd.Flags().Bool("dead", false, "")
	nameOnly := cmd.Flags().Bool("name-only", false, "the same as -o name")
	hide(cmd, "running", "dead", "name-only")
	completeFlag(cmd, "status", each(session.Statuses(), func(s session.Status) string { return string(s) }))
	cmd.Flags().BoolVar(&q.AllUsers, "all-users", false, "list everybody's; for administrators")
	f, o := addOutput(cmd, formatTable, formatJSON, formatYAML, formatName), addOwner(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := apart(cmd, "all-users", "owner"); err != nil {
			return err
		}
		uid, err := o.uid(cmd)
		if err != nil {
			return err
		}
		wanted, err := wantedStatus(cmd, *status, *running, *dead)
		if err != nil {
			return err
		}
		if *nameOnly {
			f.value = formatName
		}
		q.Ended = q.Ended || *dead || *status != ""
		q.Owner = uid
		sessions, err := a.client().Sessions(cmd.Context(), q)
		if err != nil {
			return err
		}
		sessions = slices.DeleteFunc(sessions, func(s api.Session) bool { return !wanted(s.Status) })
		if len(sessions) == 0 && f.value == formatTable && !a.quiet {
			a.note("%s", nothingThere(q))
		}
		if f.value == formatTable && !a.quiet {
			return a.table(a.sessionTable(q, sessions))
		}
		return a.sessions(f, sessions, nil)
	}
	return cmd
}

// wantedStatus is the condition that the flags make.
func wantedStatus(cmd *cobra.Command, name string, running, dead bool) (func(session.Status) bool, error) {
	switch {
	case name != "" && strings.ToUpper(name) != "ALL":
		want, err := session.ParseStatus(strings.ToUpper(name))
		if err != nil {
			return nil, usage(cmd, "--status: %s", err.Error())
		}
		return func(s session.Status) bool { return s == want }, nil
	case dead:
		return session.Status.Final, nil
	case running:
		return func(s session.Status) bool { return s == session.Running }, nil
	}
	return func(session.Status) bool { return true }, nil
}

func nothingThere(q api.SessionQuery) string {
	if q.Ended {
		return "no sessions yet; to start one: ctl session create-from-template TEMPLATE"
	}
	return "no living sessions; ctl session ls --all shows those that have ended"
}

// sessionTable is the list as people see it.
func (a *app) sessionTable(q api.SessionQuery, sessions []api.Session) *table {
	t := &table{header: []column{
		{title: "NAME", shrinks: true}, {title: "ID"}, {title: "STATUS"}, {title: "TYPE", shrinks: true},
		{title: "IMAGE", shrinks: true}, {title: "AGE"},
	}}
	if q.Ended {
		t.header = append(t.header, column{title: "RESULT", shrinks: true})
	}
	if q.AllUsers {
		t.header = append(t.header, column{title: "OWNER", shrinks: true})
	}
	now := a.now()
	for _, s := range sessions {
		status := string(s.Status)
		if s.Position > 0 {
			status += " #" + strconv.Itoa(s.Position)
		}
		row := []string{s.Name, s.ID, status, s.Type, s.Image, when(s.CreatedAt, now)}
		if q.Ended {
			row = append(row, outcome(s))
		}
		if q.AllUsers {
			row = append(row, userName(s.OwnerUID))
		}
		t.add(row...)
	}
	return t
}

// outcome is how a session ended, in a word or three; empty while it lives.
func outcome(s api.Session) string {
	switch {
	case !s.Status.Final():
		return ""
	case s.Status == session.Terminated && s.Result == session.Failure && s.ExitCode != nil &&
		s.Reason == session.ReasonExit:
		return "exit " + strconv.Itoa(*s.ExitCode)
	case s.Result == session.Success:
		return string(session.Success)
	}
	return cmp.Or(s.Reason, string(s.Result))
}
