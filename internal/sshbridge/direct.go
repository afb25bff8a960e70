package sshbridge

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"

	"agentd/internal/frame"
)

// direct leads a forwarded connection inside.
func (b *Bridge) direct(ctx context.Context, wanted ssh.NewChannel) {
	to, ok := target(wanted)
	if !ok {
		wanted.Reject(ssh.ConnectionFailed, "malformed request") //nolint:errcheck // it is over
		return
	}
	far, err := b.Session.Forward(ctx, to)
	if err != nil {
		wanted.Reject(ssh.ConnectionFailed, err.Error()) //nolint:errcheck // it is over
		return
	}
	defer far.Close() //nolint:errcheck // all was copied
	near, requests, err := wanted.Accept()
	if err != nil {
		return
	}
	defer near.Close() //nolint:errcheck // all was copied
	go ssh.DiscardRequests(requests)
	defer context.AfterFunc(ctx, func() { far.Close() })() //nolint:errcheck // it ends the copies
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(far, near) //nolint:errcheck // its end is all there is to tell
		far.CloseWrite()   //nolint:errcheck // the same
	})
	both.Go(func() {
		io.Copy(near, far) //nolint:errcheck // as above
		near.CloseWrite()  //nolint:errcheck // the same
	})
	both.Wait()
}

// target reads where a forwarded connection leads: RFC 4254, 7.2, and OpenSSH's PROTOCOL, 2.4.
func target(wanted ssh.NewChannel) (frame.Forward, bool) {
	if wanted.ChannelType() == "direct-tcpip" {
		var m struct {
			Host     string
			Port     uint32
			From     string
			FromPort uint32
		}
		if ssh.Unmarshal(wanted.ExtraData(), &m) != nil || m.Port > 65535 {
			return frame.Forward{}, false
		}
		return frame.Forward{
			Network: "tcp", Address: net.JoinHostPort(m.Host, strconv.FormatUint(uint64(m.Port), 10)),
		}, true
	}
	var m struct {
		Path     string
		Reserved string
		Unused   uint32
	}
	if ssh.Unmarshal(wanted.ExtraData(), &m) != nil {
		return frame.Forward{}, false
	}
	return frame.Forward{Network: "unix", Address: m.Path}, true
}
