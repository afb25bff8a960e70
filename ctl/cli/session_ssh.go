package cli

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
	"agentd/internal/sshbridge"
	"agentd/internal/version"
)

// hostSuffix makes a session a host of ssh's.
const hostSuffix = ".agentd"

// sessionSSH is ssh to a session, and with --stdio the server that it talks to; prefix is how the command is called.
func (a *app) sessionSSH(prefix string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh SESSION [ARGUMENTS...]",
		Short: "Reach a session with ssh",
		Long: `Reach a session with the ssh of this machine: ARGUMENTS are ssh's own, options
and a command. The session needs no SSH server and no port: the server is ctl,
which ssh starts, and any image with a /bin/sh will do. Everything that uses ssh
reaches it so, scp, sftp, rsync and editors too: see ctl session ssh-config.

With --stdio it is that server, on standard input and output: for ProxyCommand.

Exit status: ssh's own.`,
		Example: `  ` + prefix + ` template1234
  ` + prefix + ` template1234 -L 8888:localhost:8888 -- python3 train.py

  # Without ssh-config
  ssh -o ProxyCommand='ctl ssh --stdio %n' template1234`,
		Args: func(cmd *cobra.Command, args []string) error {
			return argumentNames("SESSION")(cmd, args[:min(1, len(args))])
		},
		ValidArgsFunction: a.completeSessions(1, false),
		Annotations:       map[string]string{jobStatus: "always"},
	}
	var stdio bool
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&stdio, "stdio", false, "be the server, on standard input and output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref := strings.TrimSuffix(args[0], hostSuffix)
		if stdio {
			if len(args) > 1 {
				return usage(cmd, "--stdio takes SESSION only")
			}
			return a.serveSSH(cmd.Context(), ref)
		}
		return a.execSSH(ref, args[1:])
	}
	return cmd
}

// execSSH becomes ssh.
func (a *app) execSSH(ref string, args []string) error {
	path, err := exec.LookPath("ssh")
	if err != nil {
		return errs.New(errs.Unsupported, "there is no ssh on this machine").
			WithHint("install OpenSSH's client, or use ctl session shell")
	}
	options, err := a.sshOptions()
	if err != nil {
		return err
	}
	argv := []string{"ssh"}
	for _, o := range options {
		argv = append(argv, "-o", o[0]+"="+o[1])
	}
	// ssh takes its options before the host and behind it.
	argv = append(append(argv, ref+hostSuffix), args...)
	err = syscall.Exec(path, argv, os.Environ()) //nolint:gosec // the person's own ssh
	return errs.New(errs.Internal, "run %s: %w", path, err)
}

// serveSSH serves the ssh that has started ctl.
func (a *app) serveSSH(ctx context.Context, ref string) error {
	key, err := a.hostKey()
	if err != nil {
		return err
	}
	c := a.client()
	info, err := c.Session(ctx, ref)
	if err != nil {
		return err
	}
	b := sshbridge.Bridge{
		Session: bridged{c, info.ID}, HostKey: key,
		Shell: []string{"/bin/sh", "-c", loginShell}, SFTP: []string{job.InitPath, "sftp"},
		Version: "SSH-2.0-agentd_" + strings.Map(plainVersion, version.String()),
		Log:     slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	return b.Serve(ctx, stdioConn{a.In, a.Out})
}

// plainVersion keeps what may stand in SSH's greeting.
func plainVersion(r rune) rune {
	if r <= ' ' || r > '~' || r == '-' {
		return '_'
	}
	return r
}

// bridged is a session for the bridge.
type bridged struct {
	c   *client.Client
	ref string
}

// Exec runs a command.
func (b bridged) Exec(ctx context.Context, e frame.Exec) (net.Conn, error) {
	return b.c.Exec(ctx, b.ref, e)
}

// Forward connects from inside.
func (b bridged) Forward(ctx context.Context, f frame.Forward) (sshbridge.HalfConn, error) {
	return b.c.Forward(ctx, b.ref, f)
}

// stdioConn makes a connection of what ssh has given us.
type stdioConn struct {
	io.Reader
	io.Writer
}

// Close ends both directions, if they can be ended.
func (s stdioConn) Close() error {
	for _, end := range []any{s.Reader, s.Writer} {
		if c, ok := end.(io.Closer); ok {
			c.Close() //nolint:errcheck // it is over
		}
	}
	return nil
}

// LocalAddr names nothing, as all below.
func (stdioConn) LocalAddr() net.Addr { return &net.UnixAddr{Name: "stdio", Net: "unix"} }

// RemoteAddr names nothing.
func (stdioConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "stdio", Net: "unix"} }

// SetDeadline does nothing: the process ends with its ssh.
func (stdioConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (stdioConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (stdioConn) SetWriteDeadline(time.Time) error { return nil }
