// Package sshbridge is an SSH server on one connection, whose channels are commands and connections inside a session:
// plain ssh, scp, sftp and port forwarding reach it with no server in the image and no port on the host.
package sshbridge

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// Session is what the bridge asks of a session.
type Session interface {
	// Exec runs a command and returns its connection, for frame.Stream.
	Exec(ctx context.Context, e frame.Exec) (net.Conn, error)
	// Forward connects from inside.
	Forward(ctx context.Context, f frame.Forward) (HalfConn, error)
}

// HalfConn is a connection whose two directions end one by one.
type HalfConn interface {
	net.Conn
	CloseWrite() error
}

// Bridge serves SSH for one session.
type Bridge struct {
	Session Session
	// HostKey proves to the client that it talks to this user's own ctl.
	HostKey ssh.Signer
	// Shell is the command for a login shell, SFTP that for the subsystem of that name.
	Shell, SFTP []string
	// Version is told to the client; it has to begin with SSH-2.0-.
	Version string
	Log     *slog.Logger
}

// Serve serves one client until it leaves. Nobody is asked who he is: the other end of conn is the process that has
// started this one, and agentd knows whose that is.
func (b *Bridge) Serve(ctx context.Context, conn net.Conn) error {
	config := &ssh.ServerConfig{NoClientAuth: true, ServerVersion: b.Version}
	config.AddHostKey(b.HostKey)
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return errs.New(errs.Unavailable, "ssh: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { server.Close() })() //nolint:errcheck // it is over
	go answerGlobal(requests)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel()
	for wanted := range channels {
		serving.Go(func() { b.channel(ctx, wanted) })
	}
	return nil
}

// answerGlobal keeps clients alive that ask for that, and refuses all else: nothing listens for them in the session.
func answerGlobal(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			r.Reply(r.Type == "keepalive@openssh.com", nil) //nolint:errcheck // the connection has ended
		}
	}
}

func (b *Bridge) channel(ctx context.Context, wanted ssh.NewChannel) {
	switch wanted.ChannelType() {
	case "session":
		b.session(ctx, wanted)
	case "direct-tcpip", "direct-streamlocal@openssh.com":
		b.direct(ctx, wanted)
	default:
		wanted.Reject(ssh.UnknownChannelType, "not served: "+wanted.ChannelType()) //nolint:errcheck // it is over
	}
}
