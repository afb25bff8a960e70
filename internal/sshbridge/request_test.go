package sshbridge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"agentd/internal/frame"
)

// wanted is a channel that a client asks for.
type wanted struct {
	ssh.NewChannel
	kind string
	data []byte
}

func (w wanted) ChannelType() string { return w.kind }
func (w wanted) ExtraData() []byte   { return w.data }

func newCommand() *command {
	return &command{
		b:      &Bridge{Shell: []string{"/bin/sh", "-l"}, SFTP: []string{"/init", "sftp"}},
		resize: make(chan frame.Size, 1), signals: make(chan string, 8),
	}
}

// TestTarget_ReadsOpenSSH reads where forwarded connections lead.
func TestTarget_ReadsOpenSSH(t *testing.T) {
	type tcp struct {
		Host     string
		Port     uint32
		From     string
		FromPort uint32
	}
	type unix struct {
		Path, Reserved string
		Unused         uint32
	}
	for _, row := range []struct {
		kind string
		data []byte
		want frame.Forward
		ok   bool
	}{
		{"direct-tcpip", ssh.Marshal(tcp{"::1", 8888, "127.0.0.1", 1}), frame.Forward{Network: "tcp", Address: "[::1]:8888"}, true},
		{"direct-tcpip", ssh.Marshal(tcp{"localhost", 65536, "", 0}), frame.Forward{}, false},
		{"direct-tcpip", []byte{0, 0}, frame.Forward{}, false},
		{"direct-streamlocal@openssh.com", ssh.Marshal(unix{Path: "/run/x"}), frame.Forward{Network: "unix", Address: "/run/x"}, true},
		{"direct-streamlocal@openssh.com", nil, frame.Forward{}, false},
	} {
		got, ok := target(wanted{kind: row.kind, data: row.data})
		if diff := cmp.Diff(row.want, got); diff != "" || ok != row.ok {
			t.Errorf("%s % x: ok %v, %s", row.kind, row.data, ok, diff)
		}
	}
}

// TestRequest_Starts says which requests start which command.
func TestRequest_Starts(t *testing.T) {
	text := func(s string) []byte { return ssh.Marshal(struct{ Text string }{s}) }
	for _, row := range []struct {
		kind    string
		payload []byte
		want    []string
	}{
		{"shell", nil, []string{"/bin/sh", "-l"}},
		{"exec", text("ls; id"), []string{"/bin/sh", "-c", "ls; id"}},
		{"exec", []byte{9}, nil},
		{"subsystem", text("sftp"), []string{"/init", "sftp"}},
		{"subsystem", text("netconf"), nil},
		{"x11-req", nil, nil},
	} {
		if got := newCommand().request(&ssh.Request{Type: row.kind, Payload: row.payload}); !cmp.Equal(got, row.want) {
			t.Errorf("%s % x starts %q, want %q", row.kind, row.payload, got, row.want)
		}
	}
	c := newCommand()
	c.running = true
	if got := c.request(&ssh.Request{Type: "shell"}); got != nil {
		t.Errorf("a second command is started: %q", got)
	}
}

// TestRequest_BoundsEnvironment takes no names that are none, and not without end.
func TestRequest_BoundsEnvironment(t *testing.T) {
	c := newCommand()
	set := func(name string) {
		c.request(&ssh.Request{Type: "env", Payload: ssh.Marshal(struct{ Name, Value string }{name, "v"})})
	}
	for _, name := range []string{"", "A=B", "A\x00B"} {
		set(name)
	}
	if len(c.exec.Env) != 0 {
		t.Errorf("the environment is %q", c.exec.Env)
	}
	for range maxEnv + 1 {
		set("LANG")
	}
	if len(c.exec.Env) != maxEnv || c.exec.Env[0] != "LANG=v" {
		t.Errorf("it has %d variables, the first is %q", len(c.exec.Env), c.exec.Env[0])
	}
}

// FuzzRequest takes any requests of a client, before a command runs and while one does.
func FuzzRequest(f *testing.F) {
	for _, kind := range []string{"pty-req", "env", "window-change", "signal", "shell", "exec", "subsystem", "direct-tcpip"} {
		f.Add(kind, ssh.Marshal(struct{ A, B string }{"a", "b"}))
	}
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		c := newCommand()
		argv := c.request(&ssh.Request{Type: kind, Payload: payload})
		if kind != "shell" && kind != "exec" && kind != "subsystem" && argv != nil {
			t.Fatalf("%s starts %q", kind, argv)
		}
		c.running = true
		for range 20 { // more than the channels hold: nothing blocks
			if again := c.request(&ssh.Request{Type: kind, Payload: payload}); again != nil {
				t.Fatalf("%s starts a second one: %q", kind, again)
			}
		}
		for _, v := range c.exec.Env {
			if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
				t.Fatalf("the environment has %q", v)
			}
		}
		to, ok := target(wanted{kind: kind, data: payload})
		if !ok && to != (frame.Forward{}) {
			t.Fatalf("refused, but %v", to)
		}
	})
}
