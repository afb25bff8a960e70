package checkout

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"

	"agentd/internal/errs"
)

// sshTo is where an SSH connection goes, and as whom.
type sshTo struct {
	user, address string
	keys          []string
}

// String is user@host, as ssh(1) takes it.
func (t sshTo) String() string {
	host, port, err := net.SplitHostPort(t.address)
	if err != nil || port == "22" {
		return t.user + "@" + host
	}
	return "-p " + port + " " + t.user + "@" + host
}

// maxSSHConfig bounds the file that is read.
const maxSSHConfig = 1 << 20

// settings joins the URL with the caller's ssh_config(5): what the URL says itself counts more.
func (s SSH) settings(src source) (sshTo, error) {
	alias := strings.Trim(src.endpoint.Host, "[]")
	to := sshTo{user: src.endpoint.User, keys: s.Keys}
	get, err := s.config(alias)
	if err != nil {
		return to, err
	}
	host, port := alias, ""
	if h := get("HostName"); h != "" {
		host = strings.ReplaceAll(h, "%h", alias)
	}
	if src.endpoint.Port == 0 || src.endpoint.Port == 22 {
		port = get("Port")
	}
	if port == "" {
		_, port, _ = net.SplitHostPort(src.address()) //nolint:errcheck // made by JoinHostPort
	}
	if to.user == "" {
		to.user = get("User")
	}
	if to.user == "" {
		to.user = "git"
	}
	if f := get("IdentityFile"); f != "" {
		if rest, ok := strings.CutPrefix(f, "~/"); ok {
			f = filepath.Join(filepath.Dir(filepath.Dir(s.Config)), rest)
		}
		to.keys = append([]string{f}, to.keys...)
	}
	for _, key := range []string{"ProxyCommand", "ProxyJump"} {
		if v := get(key); v != "" && v != "none" {
			return to, errs.New(errs.Unsupported, "%s says %s for the host %s, which agentd cannot follow", s.Config, key, alias).
				WithHint("use https, or a host that can be reached directly")
		}
	}
	to.address = net.JoinHostPort(host, port)
	return to, nil
}

// config returns a lookup for one host; it finds nothing if there is no file.
func (s SSH) config(alias string) (func(key string) string, error) {
	none := func(string) string { return "" }
	if s.Config == "" {
		return none, nil
	}
	f, err := os.Open(s.Config)
	if err != nil {
		return none, nil //nolint:nilerr // there is none, or none for us
	}
	defer f.Close() //nolint:errcheck // read only
	c, err := ssh_config.Decode(io.LimitReader(f, maxSSHConfig))
	if err != nil {
		return nil, errs.New(errs.Unsupported, "read %s: %w", s.Config, err).
			WithHint("ssh_config's Match is not understood: use https, or leave it out")
	}
	return func(key string) string {
		v, err := c.Get(alias, key)
		if err != nil {
			return ""
		}
		return v
	}, nil
}
