package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
)

// session is the group of commands about sessions.
func (a *app) session() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "session",
		Aliases: []string{"sess"},
		Short:   "Sessions: containers made from templates",
		Long: `Sessions: the containers that agentd makes from templates.

SESSION is the exact id of a session, the exact name of one of yours, or the
beginning of an id if no other begins so. A name means the living session; if
there is none, the newest of that name that has ended.`,
		Example: `  # Start a session from a template, and look around in it
  ctl session create-from-template template1234
  ctl session shell template1234

  # What runs, what it prints, and the end of it
  ctl session ls
  ctl session logs -f template1234
  ctl session terminate template1234`,
	})
	cmd.AddCommand(
		a.sessionLaunch("ctl session create-from-template", "launch", "start-from-template"),
		a.sessionList(), a.sessionInfo(), a.sessionLogs(), a.sessionExec(), a.sessionShell(), a.sessionWait(),
		a.sessionAttach(), a.sessionCopy(), a.sessionUpload(), a.sessionDownload(), a.sessionPortForward(),
		a.sessionSSH("ctl session ssh"), a.sessionSSHConfig(),
		a.sessionRename(), a.sessionRestart(),
		a.sessionStats(), a.sessionWhy(), a.sessionPrune(), a.sessionRelaunch(), a.sessionSaveTemplate(),
		a.sessionTerminate(), a.sessionRemove(), a.sessionHistory(), a.sessionEvents(),
	)
	return cmd
}

// jobStatus is the key of the annotation of commands whose exit status is that of a job in a session.
const jobStatus = "exit-status-of-job"

// exitOurs is the exit status of such a command when something of ours failed.
const exitOurs = 125

// ofJob reports whether the exit status of cmd is that of a job.
func ofJob(cmd *cobra.Command) bool {
	if cmd == nil || cmd.Annotations[jobStatus] == "" {
		return false
	}
	flag := cmd.Flags().Lookup(cmd.Annotations[jobStatus])
	return flag == nil || flag.Value.String() == "true"
}

// completeSessions offers the names of sessions for the first most arguments, for all of them if most is negative.
func (a *app) completeSessions(most int, ended bool) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		sessions, err := a.client().Sessions(ctx, api.SessionQuery{Ended: ended})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []cobra.Completion
		for _, s := range sessions {
			about := string(s.Status) + " " + s.Image
			if strings.HasPrefix(s.Name, begun) && !slices.Contains(args, s.Name) {
				words = append(words, cobra.CompletionWithDesc(s.Name, printable(about)))
			} else if begun != "" && strings.HasPrefix(s.ID, begun) && !slices.Contains(args, s.ID) {
				words = append(words, cobra.CompletionWithDesc(s.ID, printable(s.Name+" "+about)))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// sessionsOutput is what commands that change sessions print with -o json, and what ls does.
type sessionsOutput struct {
	SchemaVersion int           `json:"schema_version"`
	Sessions      []api.Session `json:"sessions"`
}

// sessions prints sessions that something was done with, in a person's words line by line if told is not nil.
func (a *app) sessions(f *format, done []api.Session, told func(api.Session) string) error {
	switch {
	case a.quiet:
		return a.lines(each(done, func(s api.Session) string { return s.ID }))
	case f.value == formatName:
		return a.lines(each(done, func(s api.Session) string { return s.Name }))
	case f.value == formatText:
		return a.lines(each(done, told))
	case f.value == formatTable:
		return a.table(a.sessionTable(api.SessionQuery{Ended: true}, done))
	}
	if done == nil {
		done = []api.Session{}
	}
	return a.data(f.value, sessionsOutput{SchemaVersion: api.SchemaVersion, Sessions: done})
}

// called is a session as a sentence names it.
func subject(s api.Session) string { return s.Name + " (" + s.ID + ")" }
