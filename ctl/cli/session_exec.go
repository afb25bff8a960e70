package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/frame"
)

// execution is a command to run in a session.
type execution struct {
	argv  []string
	stdin bool
	tty   bool
	dir   string
	env   []string
}

func (a *app) sessionExec() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec [-i] [-t] SESSION [--] COMMAND...",
		Short: "Run a command in a session",
		Long: `Run a command in a running session, beside what runs there, as the session's
user, in /home/work, with the session's environment. Flags of ctl come before
SESSION; all behind it is the command.

Signals that ctl gets are passed on; if ctl is killed, the command is hung up.

Exit status: the command's own, 128 and the signal's number if a signal ended
it, 126 or 127 if it could not be started, and 125 for every failure of ours.`,
		Example: `  ctl session exec template1234 -- ls -l
  ctl session exec -it template1234 -- python3

  # Send a file through
  ctl session exec -i template1234 -- tar xz < data.tar.gz`,
		Args:              argumentNames("SESSION", "COMMAND..."),
		ValidArgsFunction: a.completeSessions(1, false),
		Annotations:       map[string]string{jobStatus: "always"},
	}
	var x execution
	var env []string
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&x.stdin, "interactive", "i", false, "pass standard input on")
	flags.BoolVarP(&x.tty, "tty", "t", false, "give the command a terminal")
	flags.StringVarP(&x.dir, "workdir", "w", "", "working `directory`")
	flags.StringArrayVarP(&env, "env", "e", nil, "set `NAME=VALUE`, or NAME to that of here; may come several times")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		x.argv = args[1:]
		if x.argv[0] == "--" {
			x.argv = x.argv[1:]
		}
		if len(x.argv) == 0 {
			return usage(cmd, "exec needs COMMAND")
		}
		set, err := a.environment(cmd, env)
		if err != nil {
			return err
		}
		for name, value := range set {
			if value == nil {
				return usage(cmd, "--env %s-: exec takes nothing away", name)
			}
			x.env = append(x.env, name+"="+*value)
		}
		return a.run(cmd.Context(), args[0], x)
	}
	return cmd
}

// run runs a command in a session with the streams of ctl, and ends with its status.
func (a *app) run(ctx context.Context, ref string, x execution) error {
	if x.tty && x.stdin && terminal(a.In) == nil {
		return errs.New(errs.Usage, "-t -i: standard input is not a terminal").WithHint("leave out -t")
	}
	request := frame.Exec{Argv: x.argv, Env: x.env, Dir: x.dir, TTY: x.tty, Stdin: x.stdin}
	s := frame.Streams{Stdout: a.Out, Stderr: a.Err}
	if x.stdin {
		s.Stdin = a.In
	}
	if x.tty {
		request.Size = terminalSize(a.Out)
		if name := a.Getenv("TERM"); name != "" {
			request.Env = append([]string{"TERM=" + name}, request.Env...)
		}
	}
	// From here on signals are for the command.
	signals, resize, release := relay(a.Out, x.tty)
	defer release()
	s.Signals, s.Resize = signals, resize
	exit, err := a.stream(context.WithoutCancel(ctx), a.client(), ref, request, s)
	switch {
	case err != nil:
		return err
	case exit.Error != "":
		a.note("ctl: %s", exit.Error)
	}
	if exit.Code != 0 {
		return exitStatus(exit.Code)
	}
	return nil
}

// stream connects, and only then takes the terminal.
func (a *app) stream(
	ctx context.Context, c *client.Client, ref string, request frame.Exec, s frame.Streams,
) (frame.Exit, error) {
	conn, err := c.Exec(ctx, ref, request)
	if err != nil {
		return frame.Exit{}, err
	}
	defer conn.Close() //nolint:errcheck // all was said
	if in := terminal(a.In); in != nil && request.TTY && request.Stdin {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return frame.Exit{}, errs.New(errs.Internal, "set up the terminal: %w", err)
		}
		defer term.Restore(int(in.Fd()), old) //nolint:errcheck // the terminal may be gone
	}
	return frame.Stream(ctx, conn, s)
}

// terminalSize is zero for what is no terminal.
func terminalSize(w io.Writer) frame.Size {
	f := terminal(w)
	if f == nil {
		return frame.Size{}
	}
	cols, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return frame.Size{}
	}
	return frame.Size{Rows: uint16(rows), Cols: uint16(cols)} //nolint:gosec // the kernel's are 16 bits
}

// relay turns the signals that ctl gets into what the command gets, until release is called.
func relay(out io.Writer, tty bool) (names <-chan string, sizes <-chan frame.Size, release func()) {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGWINCH)
	name, size, done := make(chan string), make(chan frame.Size), make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-got:
				pass(sig, out, tty, name, size, done)
			case <-done:
				return
			}
		}
	}()
	return name, size, func() {
		signal.Stop(got)
		close(done)
	}
}

func pass(sig os.Signal, out io.Writer, tty bool, name chan<- string, size chan<- frame.Size, done <-chan struct{}) {
	if sig == syscall.SIGWINCH {
		if now := terminalSize(out); tty && now != (frame.Size{}) {
			select {
			case size <- now:
			case <-done:
			}
		}
		return
	}
	number, ok := sig.(syscall.Signal)
	if !ok {
		return
	}
	select {
	case name <- strings.TrimPrefix(unix.SignalName(number), "SIG"):
	case <-done:
	}
}
