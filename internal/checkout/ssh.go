package checkout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"agentd/internal/errs"
)

// openSSH runs git-upload-pack on the host by SSH.
func (j *job) openSSH(ctx context.Context, s source, w *watch) (session, error) {
	to, err := j.req.SSH.settings(s)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", to.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // the handshake returns the error
	defer stop()
	client, err := j.login(ctx, conn, to)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	run, err := client.NewSession()
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	said := &tail{}
	run.Stderr = said
	in, err := run.StdinPipe()
	if err == nil {
		out, outErr := run.StdoutPipe()
		if err = outErr; err == nil {
			if err = run.Start("git-upload-pack " + quote(s.endpoint.Path)); err == nil {
				p := newPipe(in, out, w, func() error {
					run.Close() //nolint:errcheck // it has ended already when the pack was read
					return client.Close()
				})
				p.said = said.String
				return p, nil
			}
		}
	}
	return nil, errors.Join(err, client.Close())
}

// login makes the handshake. It ends conn on failure only by the caller's hand.
func (j *job) login(ctx context.Context, conn net.Conn, to sshTo) (*ssh.Client, error) {
	keys := &keyring{files: to.keys}
	if j.req.SSH.AgentSocket != "" {
		if a, err := (&net.Dialer{}).DialContext(ctx, "unix", j.req.SSH.AgentSocket); err == nil {
			defer a.Close() //nolint:errcheck // the agent has answered what it was asked
			keys.agent = agent.NewClient(a)
		} else {
			j.warn("the SSH agent at %s does not answer: %v", j.req.SSH.AgentSocket, err)
		}
	}
	known, err := j.req.SSH.known()
	if err != nil {
		return nil, err
	}
	check := &hostCheck{known: known}
	config := &ssh.ClientConfig{
		User:              to.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeysCallback(keys.signers)},
		HostKeyCallback:   check.check,
		HostKeyAlgorithms: known.HostKeyAlgorithms(to.address),
	}
	c, channels, requests, err := ssh.NewClientConn(conn, to.address, config)
	switch {
	case check.err != nil:
		return nil, check.err
	case err != nil && strings.Contains(err.Error(), "unable to authenticate"):
		return nil, errs.New(errs.Forbidden, "the host refuses the login of %s by SSH key (%s)", to.user, keys.tried()).
			WithHint("add a key that the host knows to your SSH agent: ssh-add; try: ssh -T %s", to)
	case err != nil:
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// known reads the files of known hosts that are there.
func (s SSH) known() (*knownhosts.HostKeyDB, error) {
	var files []string
	for _, f := range s.KnownHosts {
		if r, err := os.Open(f); err == nil {
			r.Close() //nolint:errcheck // opened only to see that it can be
			files = append(files, f)
		}
	}
	db, err := knownhosts.NewDB(files...)
	if err != nil {
		return nil, errs.New(errs.Invalid, "known hosts: %w", err).WithHint("repair the file")
	}
	return db, nil
}

// hostCheck checks the host's key, and keeps our own error, which the library would turn into text.
type hostCheck struct {
	known *knownhosts.HostKeyDB
	err   error
}

func (h *hostCheck) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.known.HostKeyCallback()(address, remote, key)
	if err == nil {
		return nil
	}
	print := fmt.Sprintf("%s %s", key.Type(), ssh.FingerprintSHA256(key))
	name := knownhosts.Normalize(address)
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		host, port = address, "22"
	}
	switch {
	case knownhosts.IsHostUnknown(err):
		h.err = errs.New(errs.Forbidden, "the key of the SSH host %s is not known: %s", name, print).
			WithHint("if the host's owner confirms that fingerprint: ssh-keyscan -p %s -t %s %s >> ~/.ssh/known_hosts",
				port, strings.TrimPrefix(key.Type(), "ssh-"), host)
	case knownhosts.IsHostKeyChanged(err):
		h.err = errs.New(errs.Forbidden, "the key of the SSH host %s is not the known one: it is now %s", name, print).
			WithHint("somebody may be in between; if the host's owner confirms the new one: ssh-keygen -R '%s', then add it", name)
	default:
		h.err = errs.New(errs.Forbidden, "the key of the SSH host %s (%s): %w", name, print, err)
	}
	return h.err
}

// keyring offers the agent's keys, then the files'.
type keyring struct {
	agent agent.ExtendedAgent
	files []string

	fromAgent, fromFiles, locked int
}

func (k *keyring) signers() ([]ssh.Signer, error) {
	var all []ssh.Signer
	if k.agent != nil {
		if s, err := k.agent.Signers(); err == nil {
			all = s
			k.fromAgent = len(s)
		}
	}
	for _, f := range k.files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		s, err := ssh.ParsePrivateKey(text)
		if err != nil {
			k.locked++
			continue
		}
		all = append(all, s)
		k.fromFiles++
	}
	return all, nil
}

func (k *keyring) tried() string {
	text := fmt.Sprintf("%d from the agent, %d from files", k.fromAgent, k.fromFiles)
	if k.locked > 0 {
		text += fmt.Sprintf(", %d with a passphrase not tried", k.locked)
	}
	return text
}

// quote makes one word of a path for the host's shell, as git does.
func quote(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}
