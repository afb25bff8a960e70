// Package daemon is the program agentd: it reads the configuration, puts the parts together and runs them.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"agentd/internal/api"
	"agentd/internal/config"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/version"
)

// Stdio is the process as agentd sees it.
type Stdio struct {
	Out io.Writer
	// Err takes the log; agentd asks whether it goes to the journal.
	Err    *os.File
	Getenv func(string) string
	// UID is the user that agentd runs as: root serves all users, anyone else himself.
	UID int
}

// OSStdio is the real one.
func OSStdio() Stdio {
	return Stdio{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, UID: os.Geteuid()}
}

// Main runs agentd with the arguments after the program's name and returns its exit status: 0 after a stop that was
// asked for; 2 for a wrong call; the others are those of ctl.
func Main(args []string, stdio Stdio) int {
	// Before anything else: a signal that comes during a slow start must find its handler.
	signals := make(chan os.Signal, 8)
	// A core would be a file with everybody's secrets in it. Where this fails there are none to be had either.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	root := command(stdio, signals)
	root.SetArgs(args)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	return fail(stdio.Err, root.ExecuteContext(context.Background()))
}

// command is the command tree.
func command(stdio Stdio, signals <-chan os.Signal) *cobra.Command {
	var file string
	root := &cobra.Command{
		Use:   "agentd",
		Short: "Serve session templates and sessions on this machine",
		Long: `agentd keeps session templates on disk and serves an HTTP API on a Unix socket;
ctl is its command line. Run by root it serves all users of the machine, run by
an ordinary user it serves him alone, with all its files in his own places.

SIGHUP reloads the configuration, SIGTERM stops; a stop ends no session.`,
		Example: `  agentd                           serve, with the default configuration file
  agentd --config ./agentd.yaml    serve, with another one
  agentd check-config              say what is wrong with the configuration`,
		Version:       version.String(),
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &daemon{stdio: stdio, signals: signals, load: loader(cmd, stdio, file)}
			return d.run(cmd.Context())
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%s", err) })
	root.SetVersionTemplate("agentd {{.Version}}\n")
	root.PersistentFlags().StringVar(&file, "config", places(stdio).Config, "configuration file")
	root.AddCommand(&cobra.Command{
		Use:   "check-config",
		Short: "Say what is wrong with the configuration, and start nothing",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := loader(cmd, stdio, file)(); err != nil {
				return err
			}
			_, err := fmt.Fprintf(stdio.Out, "%s: the configuration is valid\n", file)
			return err //nolint:wrapcheck // of standard output
		},
	})
	return root
}

func places(stdio Stdio) layout.Places { return layout.DefaultPlaces(stdio.UID, stdio.Getenv) }

// loader reads the configuration, each time it is called. A file that was not named need not be there.
func loader(cmd *cobra.Command, stdio Stdio, file string) func() (config.Config, error) {
	named := cmd.Flags().Changed("config")
	return func() (config.Config, error) {
		host, err := os.Hostname()
		if err != nil {
			return config.Config{}, fmt.Errorf("find the name of this machine: %w", err)
		}
		return config.Load(file, named, config.Default(stdio.UID, host, stdio.Getenv))
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
}

func usage(cmd *cobra.Command, format string, args ...any) error {
	return errs.New(errs.Usage, format, args...).WithHint("see: %s --help", cmd.CommandPath())
}

// fail says why agentd ends, in the form that ctl has for its errors, and returns the exit status.
func fail(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var b strings.Builder
	text, problems, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintf(&b, "agentd: %s\n", text)
	for line := range strings.Lines(problems) {
		fmt.Fprintf(&b, "%s\n", strings.TrimSpace(line))
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", e.Hint)
	}
	io.WriteString(w, b.String()) //nolint:errcheck // there is nowhere left to say it
	return api.Lookup(errs.CodeOf(err)).Exit
}
