package gittest

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"agentd/internal/testenv"
)

// SSHServer serves the repositories beneath a directory by SSH, to one key.
type SSHServer struct {
	// Address is host:port. HostKey is the server's.
	Address string
	HostKey ssh.PublicKey
	// ClientKey is the private key that it accepts, in OpenSSH's format.
	ClientKey []byte

	root, git string
	config    *ssh.ServerConfig
}

// ServeSSH starts a server on loopback, which ends with the test.
func ServeSSH(t testing.TB, root string) *SSHServer {
	t.Helper()
	host, _ := key(t)
	client, text := key(t)
	s := &SSHServer{HostKey: host.PublicKey(), ClientKey: text, root: root, git: testenv.Tool(t, "git")}
	s.config = &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if string(k.Marshal()) != string(client.PublicKey().Marshal()) {
				return nil, fmt.Errorf("unknown key")
			}
			return nil, nil
		},
	}
	s.config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	t.Cleanup(func() { l.Close() })
	go accept(l, s.serve)
	return s
}

// URL is the address of a repository in the form ssh://.
func (s *SSHServer) URL(name string) string { return "ssh://git@" + s.Address + "/" + name + ".git" }

// KnownHosts is a file of known hosts with the server's key.
func (s *SSHServer) KnownHosts() string {
	return knownhosts.Line([]string{knownhosts.Normalize(s.Address)}, s.HostKey) + "\n"
}

func key(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func (s *SSHServer) serve(c net.Conn) {
	conn, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		if n.ChannelType() != "session" {
			n.Reject(ssh.UnknownChannelType, "no") //nolint:errcheck // the client may be gone
			continue
		}
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		go s.session(ch, reqs)
	}
}

func (s *SSHServer) session(ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	for r := range requests {
		if r.Type != "exec" {
			r.Reply(false, nil) //nolint:errcheck // the client may be gone
			continue
		}
		r.Reply(true, nil) //nolint:errcheck // the client may be gone
		var line struct{ Command string }
		status := uint32(1)
		if err := ssh.Unmarshal(r.Payload, &line); err == nil {
			path, ok := strings.CutPrefix(line.Command, "git-upload-pack '/")
			cmd := exec.Command(s.git, "upload-pack", filepath.Join(s.root, strings.TrimSuffix(path, "'")))
			cmd.Env, cmd.Stdout, cmd.Stderr = Env(), ch, ch.Stderr()
			if in, err := cmd.StdinPipe(); ok && err == nil {
				// Not cmd.Stdin: the end of the program is to end the session, whatever the client still has to say.
				go func() {
					io.Copy(in, ch) //nolint:errcheck // the program may be gone
					in.Close()      //nolint:errcheck // likewise
				}()
				if cmd.Run() == nil {
					status = 0
				}
			}
		}
		ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{status})) //nolint:errcheck // the client may be gone
		return
	}
}

// ServeAgent starts an SSH agent that holds one key, and returns its socket.
func ServeAgent(t testing.TB, private []byte) string {
	t.Helper()
	parsed, err := ssh.ParseRawPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: parsed}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go accept(l, func(c net.Conn) {
		agent.ServeAgent(ring, c) //nolint:errcheck // it ends when the client does
	})
	return socket
}

// ServeGit serves the repositories beneath root by git daemon, without encryption, and returns host:port.
func ServeGit(t testing.TB, root string) string {
	t.Helper()
	git := testenv.Tool(t, "git")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go accept(l, func(c net.Conn) {
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			return
		}
		defer f.Close()
		cmd := exec.Command(git, "daemon", "--inetd", "--export-all", "--base-path="+root, root)
		cmd.Env, cmd.Stdin, cmd.Stdout = Env(), f, f
		cmd.Run() //nolint:errcheck // the client tells
	})
	return l.Addr().String()
}

// accept serves every connection until the listener is closed.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}
