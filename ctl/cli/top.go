package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
)

func (a *app) top() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch sessions on the whole screen",
		Long: `Watch your living sessions on the whole screen: what they use of the processor
and of memory, now and of late, the pressure on both where the kernel tells it,
and what those in the queue wait for.

Keys: up and down (or k and j) select a session; l shows its logs as they come,
s opens a shell in it, both until they end or ctrl-C; t terminates it, after
asking; q quits.

It needs a terminal: for scripts there is ctl session stats.`,
		Example: `  ctl top

  # Everybody's, as an administrator
  sudo ctl top --all-users`,
		Args: argumentNames(),
	}
	all := cmd.Flags().Bool("all-users", false, "everybody's; for administrators")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, out := terminal(a.In), terminal(a.Out)
		if in == nil || out == nil {
			return usage(cmd, "top needs a terminal; for scripts there is ctl session stats")
		}
		c := a.client()
		t := &topScreen{
			app: a, in: in, out: out, c: c, all: *all, watch: statsWatch{c: c, all: *all}, model: topModel{color: a.color()},
		}
		return t.run(cmd.Context())
	}
	return cmd
}

// topScreen is a call of top. One goroutine draws, looks and waits for keys, so that a shell that it starts has the
// keyboard for itself.
type topScreen struct {
	*app
	in, out *os.File
	c       *client.Client
	all     bool
	watch   statsWatch
	model   topModel
	// typed is what was read of the keyboard and not yet looked at.
	typed string
}

// lookTimeout bounds a look: an agentd that hangs must not hold the keys.
const lookTimeout = 3 * time.Second

func (t *topScreen) run(ctx context.Context) error {
	if err := t.look(ctx); err != nil {
		// Without agentd there is nothing to begin with.
		return err
	}
	leave, err := t.enter()
	if err != nil {
		return err
	}
	defer func() { leave() }()
	for next := time.Now().Add(statsInterval); ctx.Err() == nil; {
		t.draw()
		key, err := t.key(time.Until(next))
		if err != nil {
			return err
		}
		if key == "" {
			if time.Now().Before(next) {
				continue
			}
			next = time.Now().Add(statsInterval)
			if err := t.look(ctx); err != nil && ctx.Err() == nil {
				t.model.said = err.Error()
			}
			continue
		}
		s, some := t.model.chosen()
		switch {
		case t.model.asking != "":
			t.answer(ctx, key)
		case key == "q" || key == "\x03":
			return nil
		case key == "\x1b[A" || key == "k":
			t.model.move(-1)
		case key == "\x1b[B" || key == "j":
			t.model.move(1)
		case key == "t" && some:
			t.model.asking = s.Name
		case (key == "l" || key == "s") && some:
			leave()
			t.model.said = t.outside(key, s)
			if leave, err = t.enter(); err != nil {
				leave = func() {}
				return err
			}
		}
	}
	return exitStatus(exitInterrupted)
}

// answer is what becomes of a session that was to be terminated.
func (t *topScreen) answer(ctx context.Context, key string) {
	t.model.asking = ""
	s, some := t.model.chosen()
	if key != "y" || !some {
		t.model.said = "nothing was terminated"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if _, err := t.c.Terminate(ctx, s.ID, false); err != nil {
		t.model.said = err.Error()
		return
	}
	t.model.said = "asked " + subject(s) + " to end"
}

// look asks agentd once.
func (t *topScreen) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	info, err := t.c.SystemInfo(ctx)
	if err != nil {
		return err
	}
	sessions, err := t.c.Sessions(ctx, api.SessionQuery{AllUsers: t.all})
	if err != nil {
		return err
	}
	stats, err := t.watch.look(ctx)
	if err == nil {
		t.model.update(info, sessions, stats)
	}
	return err
}

// enter takes the whole screen and every key; what it returns gives both back.
func (t *topScreen) enter() (leave func(), err error) {
	state, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return nil, errs.New(errs.Internal, "set the terminal: %w", err)
	}
	t.out.WriteString("\x1b[?1049h\x1b[?25l") //nolint:errcheck // the next write says it
	left := false
	return func() {
		if left {
			return
		}
		left = true
		t.out.WriteString("\x1b[?25h\x1b[?1049l") //nolint:errcheck // there is nothing else to do
		term.Restore(int(t.in.Fd()), state)       //nolint:errcheck // there is nothing else to do
	}, nil
}

func (t *topScreen) draw() {
	width, height, err := term.GetSize(int(t.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	lines := t.model.lines(width, height, t.now())
	t.out.WriteString("\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J") //nolint:errcheck // the next one says it
}

// key waits for a key, at most that long; empty if none came. The arrows are sequences of three.
func (t *topScreen) key(patience time.Duration) (string, error) {
	if t.typed == "" {
		if err := t.read(patience); err != nil {
			return "", err
		}
	}
	n := min(1, len(t.typed))
	if strings.HasPrefix(t.typed, "\x1b[") {
		n = min(3, len(t.typed))
	}
	key := t.typed[:n]
	t.typed = t.typed[n:]
	return key, nil
}

// read reads what was typed, if something was within that time.
func (t *topScreen) read(patience time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(t.in.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(max(0, patience)/time.Millisecond)+1)
	if n == 0 || errors.Is(err, unix.EINTR) {
		return nil
	}
	var buf [64]byte
	if err == nil {
		n, err = t.in.Read(buf[:])
	}
	if err != nil {
		return errs.New(errs.Canceled, "read a key: %w", err)
	}
	t.typed = string(buf[:n])
	return nil
}

// outside runs logs or a shell on the whole terminal, in a process group of its own, so that ctrl-C ends only that.
func (t *topScreen) outside(key string, s api.Session) string {
	program, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	args := []string{"session", "shell", s.ID}
	if key == "l" {
		args = []string{"session", "logs", "-f", "--tail", "100", s.ID}
	}
	if t.socket != "" {
		args = append([]string{"--socket", t.socket}, args...)
	}
	fd := int(t.in.Fd())
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.in, t.out, t.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: fd}
	runErr := cmd.Run()
	// A background process that takes the terminal is stopped by SIGTTOU, unless it ignores that.
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, unix.Getpgrp()); err != nil {
		return "take the terminal back: " + err.Error()
	}
	exit, is := errors.AsType[*exec.ExitError](runErr)
	// The status of a shell is that of the last command in it; logs that were followed are left by ctrl-C.
	if runErr != nil && (!is || exit.ExitCode() == exitOurs || key == "l" && exit.ExitCode() != exitInterrupted) {
		return opened(key) + " of " + s.Name + " failed: " + runErr.Error()
	}
	return ""
}

// opened is what a key opens.
func opened(key string) string {
	if key == "l" {
		return "the logs"
	}
	return "the shell"
}
