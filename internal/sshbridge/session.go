package sshbridge

import (
	"context"
	"strings"

	"golang.org/x/crypto/ssh"

	"agentd/internal/frame"
)

// maxEnv bounds what a client may set.
const maxEnv = 256

// command is a session channel before and while its command runs.
type command struct {
	b       *Bridge
	channel ssh.Channel
	exec    frame.Exec
	resize  chan frame.Size
	signals chan string
	running bool
}

// session serves a channel that runs one command.
func (b *Bridge) session(ctx context.Context, wanted ssh.NewChannel) {
	channel, requests, err := wanted.Accept()
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &command{b: b, channel: channel, resize: make(chan frame.Size, 1), signals: make(chan string, 8)}
	done := make(chan struct{})
	for {
		select {
		case r, more := <-requests:
			if !more { // the client has gone: the command is hung up
				cancel()
				if c.running {
					<-done
				}
				return
			}
			begin := c.request(r)
			if r.WantReply {
				r.Reply(begin != nil || c.took(r.Type), nil) //nolint:errcheck // the connection has ended
			}
			if begin != nil {
				c.running = true
				go func() {
					defer close(done)
					defer channel.Close() //nolint:errcheck // all was said
					c.run(ctx)
				}()
			}
		case <-done:
			return
		}
	}
}

// took reports whether a request that starts nothing was served.
func (c *command) took(kind string) bool {
	switch kind {
	case "pty-req", "env", "window-change", "signal":
		return true
	}
	return false
}

// request takes one request; what it returns, if anything, is the command to start.
func (c *command) request(r *ssh.Request) []string {
	switch r.Type {
	case "pty-req":
		c.pty(r.Payload)
	case "env":
		var m struct{ Name, Value string }
		if ssh.Unmarshal(r.Payload, &m) == nil && m.Name != "" && !strings.ContainsAny(m.Name, "=\x00") &&
			len(c.exec.Env) < maxEnv {
			c.exec.Env = append(c.exec.Env, m.Name+"="+m.Value)
		}
	case "window-change":
		var m struct{ Cols, Rows, Width, Height uint32 }
		if ssh.Unmarshal(r.Payload, &m) == nil && c.running {
			c.resized(sizeOf(m.Rows, m.Cols))
		}
	case "signal":
		var m struct{ Name string }
		if ssh.Unmarshal(r.Payload, &m) == nil && c.running {
			select {
			case c.signals <- m.Name:
			default: // nobody sends so many
			}
		}
	case "shell", "exec", "subsystem":
		if !c.running {
			c.exec.Argv = c.argv(r)
			return c.exec.Argv
		}
	}
	return nil
}

// argv is the command that a request asks for, nil for none that there is.
func (c *command) argv(r *ssh.Request) []string {
	var m struct{ Text string }
	if r.Type != "shell" && ssh.Unmarshal(r.Payload, &m) != nil {
		return nil
	}
	switch {
	case r.Type == "shell":
		return c.b.Shell
	case r.Type == "exec":
		return []string{"/bin/sh", "-c", m.Text}
	case m.Text == "sftp":
		return c.b.SFTP
	}
	return nil
}

func (c *command) pty(payload []byte) {
	var m struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}
	if ssh.Unmarshal(payload, &m) != nil {
		return
	}
	c.exec.TTY, c.exec.Size = true, sizeOf(m.Rows, m.Cols)
	if m.Term != "" {
		c.exec.Env = append(c.exec.Env, "TERM="+m.Term)
	}
}

// resized keeps only the newest size that nobody took yet.
func (c *command) resized(size frame.Size) {
	select {
	case <-c.resize:
	default:
	}
	c.resize <- size
}

func sizeOf(rows, cols uint32) frame.Size {
	const most = 1<<16 - 1
	return frame.Size{Rows: uint16(min(rows, most)), Cols: uint16(min(cols, most))} //nolint:gosec // just bounded
}

// run runs the command and tells its end.
func (c *command) run(ctx context.Context) {
	c.exec.Stdin = true
	exit := frame.Exit{Code: 255}
	conn, err := c.b.Session.Exec(ctx, c.exec)
	if err == nil {
		defer conn.Close() //nolint:errcheck // all was said
		exit, err = frame.Stream(ctx, conn, frame.Streams{
			Stdin: c.channel, Stdout: c.channel, Stderr: c.channel.Stderr(), Resize: c.resize, Signals: c.signals,
		})
	}
	switch {
	case err != nil:
		c.b.Log.WarnContext(ctx, "a command of the session ended", "error", err)
		exit.Code = 255
	case exit.Error != "":
		c.channel.Stderr().Write([]byte(exit.Error + "\n")) //nolint:errcheck // the client has gone
	}
	c.channel.CloseWrite() //nolint:errcheck // the client has gone
	if name, ok := strings.CutPrefix(exit.Signal, "SIG"); ok {
		c.tell("exit-signal", struct {
			Name       string
			Core       bool
			Text, Lang string
		}{Name: name})
		return
	}
	c.tell("exit-status", struct{ Code uint32 }{uint32(exit.Code)}) //nolint:gosec // at most 255
}

func (c *command) tell(kind string, message any) {
	c.channel.SendRequest(kind, false, ssh.Marshal(message)) //nolint:errcheck // the client has gone
}
