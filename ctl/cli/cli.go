// Package cli is the command line ctl: one file per command, the output that they share, and the exit status.
package cli

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/client"
	"agentd/internal/version"
)

// Main runs ctl with the arguments after the program's name and returns its exit status: 0 done; 1 failed; 2 usage;
// 3 not found; 4 conflict; 5 permission; 6 timed out; 7 no daemon. Commands that run a job end with the job's status, and
// with 125 for every failure of ours.
func Main(args []string, stdio Stdio) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The first signal cancels; the second one finds the default again and kills.
	context.AfterFunc(ctx, stop)

	a := &app{Stdio: stdio, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && ofJob(cmd) {
		err = ofOurs{err}
	}
	return a.fail(err)
}

// app is one call of ctl: what it reads and writes, the clock, and the flags that every command has.
type app struct {
	Stdio
	now func() time.Time

	socket  string
	quiet   bool
	noColor bool
}

// root is the command tree.
func (a *app) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "ctl",
		Short: "Templates and sessions of the agentd on this machine",
		Long: `ctl is the command line of agentd, the session agent of this machine.

It talks to agentd over a Unix socket. The first of these that answers is used:
--socket, $AGENTD_SOCKET, $XDG_RUNTIME_DIR/agentd/agentd.sock (your own
agentd), /run/agentd/agentd.sock (the machine's).

Exit status: 0 done; 1 failed; 2 wrong usage; 3 not found; 4 conflict; 5
permission; 6 timed out; 7 no agentd. With exec, shell, wait and --wait it is
the job's own, and 125 for every failure of ours.`,
		Example: `  # Store a session template, and look at it
  ctl sesstpl create -f session-template.yaml
  ctl sesstpl list

  # Start a session from it, and end it
  ctl session create-from-template template1234
  ctl session terminate template1234`,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd) },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	})
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(flagError)

	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", "", "talk to the agentd at this `path`")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print only ids")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours, even on a terminal (also: NO_COLOR)")

	root.AddCommand(a.sesstpl(), a.session(), a.sessionLaunch("ctl create-from-template", "launch", "start-from-template"),
		a.sessionSSH("ctl ssh"), a.vfolder(), a.system(), a.top(), a.completion(), a.version())
	root.SetHelpCommand(a.help())
	return root
}

// client is the way to agentd; nothing is dialled before the first request.
func (a *app) client() *client.Client {
	return client.New(client.Options{
		Socket:  a.socket,
		UID:     a.UID,
		Getenv:  a.Getenv,
		Version: version.String(),
		Warn:    a.warn,
	})
}
