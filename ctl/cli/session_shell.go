package cli

import (
	"github.com/spf13/cobra"
)

// loginShell runs the best login shell that the image has.
const loginShell = `if command -v bash >/dev/null 2>&1; then exec bash -l; else exec /bin/sh -l; fi`

func (a *app) sessionShell() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shell SESSION",
		Short: "Open a shell in a session",
		Long: `Open a login shell in a running session: bash if the image has it, else /bin/sh.
Without a terminal, the shell reads its commands from standard input.

Exit status: the shell's own, and 125 for every failure of ours.`,
		Example: `  ctl session shell template1234
  echo 'df -h .' | ctl session shell template1234`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, false),
		Annotations:       map[string]string{jobStatus: "always"},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.run(cmd.Context(), args[0], execution{
			argv: []string{"/bin/sh", "-c", loginShell}, stdin: true, tty: terminal(a.In) != nil && terminal(a.Out) != nil,
		})
	}
	return cmd
}
