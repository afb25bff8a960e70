package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"agentd/internal/errs"
	"agentd/internal/layout"
)

func (a *app) sessionSSHConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh-config",
		Short: "Print what ssh needs to know to reach sessions",
		Long: `Print a part of a configuration for OpenSSH: with it, every session is the host
SESSION` + hostSuffix + ` for ssh, scp, sftp, rsync and all that uses them. The key
that ctl proves itself with is made once, and is yours alone.`,
		Example: `  ctl session ssh-config > ~/.ssh/agentd.conf
  # and at the top of ~/.ssh/config: Include agentd.conf
  ssh template1234.agentd`,
		Args: argumentNames(),
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		options, err := a.sshOptions()
		if err != nil {
			return err
		}
		lines := []string{"Host *" + hostSuffix}
		for _, o := range options {
			lines = append(lines, "  "+o[0]+" "+o[1])
		}
		return a.lines(lines)
	}
	return cmd
}

// sshOptions are what ssh is told, in order.
func (a *app) sshOptions() ([][2]string, error) {
	if _, err := a.hostKey(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errs.New(errs.Internal, "find ctl: %w", err)
	}
	proxy := shellQuoted(self)
	if a.socket != "" {
		socket, err := filepath.Abs(a.socket)
		if err != nil {
			return nil, errs.New(errs.Internal, "find the socket: %w", err)
		}
		proxy += " --socket " + shellQuoted(socket)
	}
	return [][2]string{
		{"ProxyCommand", strings.ReplaceAll(proxy, "%", "%%") + " ssh --stdio %n"},
		{"User", "work"},
		{"HostKeyAlias", "agentd"},
		{"UserKnownHostsFile", `"` + a.sshPlaces().KnownHosts + `"`},
		{"GlobalKnownHostsFile", "none"},
		{"StrictHostKeyChecking", "yes"},
		{"PreferredAuthentications", "none"},
	}, nil
}

// shellQuoted is a word of the shell that ssh gives a ProxyCommand to.
func shellQuoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (a *app) sshPlaces() layout.SSHPlaces { return layout.UserSSH(a.UID, a.Getenv) }

// hostKey is the key of this user's ctl; the first one who needs it makes it.
func (a *app) hostKey() (ssh.Signer, error) {
	p := a.sshPlaces()
	text, err := os.ReadFile(p.HostKey)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeHostKey(p); err != nil {
			return nil, errs.New(errs.Internal, "make the key for ssh in %s: %w", p.Dir, err)
		}
		text, err = os.ReadFile(p.HostKey)
	}
	if err != nil {
		return nil, errs.New(errs.Internal, "the key for ssh: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, errs.New(errs.Damaged, "the key for ssh, %s: %w", p.HostKey, err).WithHint("remove it: a new one is made")
	}
	known := "agentd " + string(ssh.MarshalAuthorizedKey(key.PublicKey()))
	if have, err := os.ReadFile(p.KnownHosts); err != nil || string(have) != known {
		if err := os.WriteFile(p.KnownHosts, []byte(known), 0o600); err != nil {
			return nil, errs.New(errs.Internal, "the key for ssh: %w", err)
		}
	}
	return key, nil
}

// makeHostKey writes a key whole or not at all; of two who do it at once one wins.
func makeHostKey(p layout.SSHPlaces) error {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "agentd")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(p.Dir, ".host_key")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has another name by then
	_, err = f.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), p.HostKey); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
