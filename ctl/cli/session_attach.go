package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/frame"
)

// defaultDetach are docker's keys.
const defaultDetach = "ctrl-p,ctrl-q"

// attachment is how one is attached.
type attachment struct {
	ref     string
	noStdin bool
	proxy   bool
	keys    []byte
}

func (a *app) sessionAttach() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attach SESSION",
		Short: "Join the input and output of what a session runs",
		Long: `Join the standard input and output of the step that a session runs, its
startup as a rule: what it prints from now on, and what you type. ctl session
logs has what it printed before. A session whose template has x-agentd.tty gives
its startup a terminal, and with it an input; any other startup has none.

Many can watch; one at a time has the input. If somebody has it already, or
there is none, you watch. The detach keys leave, and the session goes on.
Signals that ctl gets are passed on to the step, but for those of a watcher with
--no-stdin, whose ctrl-C just leaves.

Exit status: the step's own once it has ended, 128 and the signal's number if a
signal ended it, 0 if you detach, and 125 for every failure of ours.`,
		Example: `  ctl session attach template1234

  # Watch, and touch nothing
  ctl session attach --no-stdin template1234

  # Other keys to leave with
  ctl session attach --detach-keys ctrl-a,d template1234`,
		Args:              argumentNames("SESSION"),
		ValidArgsFunction: a.completeSessions(1, false),
		Annotations:       map[string]string{jobStatus: "always"},
	}
	var x attachment
	var keys string
	cmd.Flags().BoolVar(&x.noStdin, "no-stdin", false, "watch only")
	cmd.Flags().BoolVar(&x.proxy, "sig-proxy", true, "pass signals on to the step")
	cmd.Flags().StringVar(&keys, "detach-keys", defaultDetach, "`keys` to leave with: letters, or ctrl-LETTER, with commas")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if x.keys, err = parseKeys(keys); err != nil {
			return usage(cmd, "--detach-keys: %s", err.Error())
		}
		x.ref = args[0]
		return a.attach(cmd.Context(), x)
	}
	return cmd
}

// parseKeys reads keys as docker writes them.
func parseKeys(text string) ([]byte, error) {
	var keys []byte
	if text == "" {
		return nil, nil
	}
	for key := range strings.SplitSeq(text, ",") {
		letter, ctrl := strings.CutPrefix(key, "ctrl-")
		switch {
		case len(letter) != 1 || letter[0] >= 0x7f || letter[0] < 0x20:
			return nil, errors.New("want keys such as ctrl-p,ctrl-q or a,b")
		case !ctrl:
			keys = append(keys, letter[0])
		case strings.Contains("@abcdefghijklmnopqrstuvwxyz[\\]^_", strings.ToLower(letter)):
			keys = append(keys, strings.ToLower(letter)[0]&0x1f)
		default:
			return nil, errors.New("there is no ctrl-" + letter)
		}
	}
	return keys, nil
}

// attach joins, and ends with the step's status.
func (a *app) attach(ctx context.Context, x attachment) error {
	c := a.client()
	writer := !x.noStdin
	conn, started, err := a.join(ctx, c, x.ref, writer)
	if writer && errs.Is(err, errs.Conflict) && strings.Contains(err.Error(), "input") {
		// It is somebody else's, or there is none: the person is told, and watches.
		a.note("%s: you watch only", sentence(err))
		writer = false
		conn, started, err = a.join(ctx, c, x.ref, false)
	}
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // all was said
	return a.attached(ctx, c, x, conn, started, writer)
}

// join attaches and waits until that is granted.
func (a *app) join(ctx context.Context, c *client.Client, ref string, writer bool) (net.Conn, frame.Started, error) {
	conn, err := c.Attach(ctx, ref, frame.Attach{Stdin: writer, Size: terminalSize(a.Out)})
	if err != nil {
		return nil, frame.Started{}, err
	}
	started, err := frame.Begin(ctx, conn)
	if err != nil {
		conn.Close() //nolint:errcheck // it is of no use any more
		return nil, started, err
	}
	return conn, started, nil
}

// errDetached is the cause of the end by the detach keys.
var errDetached = errors.New("detached") //nolint:gochecknoglobals // a constant in all but the language

func (a *app) attached(
	ctx context.Context, c *client.Client, x attachment, conn net.Conn, started frame.Started, writer bool,
) error {
	watching := ctx
	ctx, detach := context.WithCancelCause(context.WithoutCancel(ctx))
	defer detach(nil)
	s := frame.Streams{Stdout: a.Out, Stderr: a.Err}
	in := terminal(a.In)
	if writer {
		s.Stdin = a.In
		if in != nil && len(x.keys) > 0 {
			s.Stdin = &detachReader{r: a.In, keys: x.keys, detach: func() { detach(errDetached) }, over: ctx.Done()}
		}
	}
	if x.proxy && !x.noStdin {
		signals, resize, release := relay(a.Out, started.TTY && writer)
		defer release()
		s.Signals, s.Resize = signals, resize
		if !writer {
			s.Signals, s.Resize = nil, nil
			go a.proxy(ctx, c, x.ref, signals)
		}
	} else {
		defer context.AfterFunc(watching, func() { detach(errDetached) })()
	}
	if in != nil && started.TTY && writer {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return errs.New(errs.Internal, "set up the terminal: %w", err)
		}
		defer term.Restore(int(in.Fd()), old) //nolint:errcheck // the terminal may be gone
	}
	exit, err := frame.Continue(ctx, conn, s)
	if errors.Is(context.Cause(ctx), errDetached) {
		left := "detached; the session goes on\n"
		if in != nil && started.TTY && writer { // the terminal is still raw
			left = "\r\n" + strings.TrimSuffix(left, "\n") + "\r\n"
		}
		io.WriteString(a.Err, left) //nolint:errcheck // it stops nothing
		return nil
	}
	if err == nil && exit.Code != 0 {
		return exitStatus(exit.Code)
	}
	return err
}

// proxy sends a watcher's signals to the step on connections of their own.
func (a *app) proxy(ctx context.Context, c *client.Client, ref string, signals <-chan string) {
	for {
		select {
		case name := <-signals:
			if err := c.Signal(ctx, ref, name); err != nil {
				a.note("signal %s: %s", name, sentence(err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// detachReader reads keys, and stops for good at those that mean to leave.
type detachReader struct {
	r      io.Reader
	keys   []byte
	detach func()
	over   <-chan struct{}
	// seen is how many of the keys were typed; held is what came and was not given on yet.
	seen int
	held []byte
}

// Read gives on what is certain not to be the detach keys.
func (d *detachReader) Read(p []byte) (int, error) {
	for len(d.held) == 0 {
		buf := make([]byte, len(p))
		n, err := d.r.Read(buf)
		for _, key := range buf[:n] {
			d.key(key)
			if d.seen == len(d.keys) {
				d.detach()
				<-d.over
				return 0, io.ErrClosedPipe
			}
		}
		if err != nil && len(d.held) == 0 {
			return 0, err
		}
	}
	n := copy(p, d.held)
	d.held = d.held[n:]
	return n, nil
}

func (d *detachReader) key(key byte) {
	if key == d.keys[d.seen] {
		d.seen++
		return
	}
	d.held = append(d.held, d.keys[:d.seen]...)
	d.seen = 0
	if key == d.keys[0] {
		d.seen = 1
		return
	}
	d.held = append(d.held, key)
}
