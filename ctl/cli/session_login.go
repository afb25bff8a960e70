package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"agentd/internal/api"
)

// helperLimit bounds a credential helper, which may ask its user for a password of its own.
const helperLimit = 30 * time.Second

// maxDockerConfig bounds Docker's configuration file, in bytes.
const maxDockerConfig = 1 << 20

// dockerConfig is the part of Docker's configuration file that is about logins:
// https://docs.docker.com/reference/cli/docker/login/#credential-stores
type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredsStore  string                `json:"credsStore"`
	CredHelpers map[string]string     `json:"credHelpers"`
}

type dockerAuth struct {
	// Auth is base64 of USER:PASSWORD.
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
}

// registryLogin is the caller's login for a registry, nil if he has none. What is wrong with his configuration is told
// and stops nothing: the image may be public, or here already.
func (a *app) registryLogin(ctx context.Context, host string) *api.RegistryLogin {
	dir := a.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(a.Getenv("HOME"), ".docker")
	}
	path := filepath.Join(dir, "config.json")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var raw []byte
	if err == nil && info.Mode().IsRegular() && info.Size() <= maxDockerConfig {
		raw, err = os.ReadFile(path)
	}
	var c dockerConfig
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		a.warn("no registry login: " + path + ": " + err.Error())
		return nil
	}
	login, err := c.login(ctx, host)
	if err != nil {
		a.warn("no login for registry " + host + ": " + err.Error())
	}
	return login
}

// login looks where docker looks: the helper for the host, the store for all, then the file itself.
func (c dockerConfig) login(ctx context.Context, host string) (*api.RegistryLogin, error) {
	for _, key := range serverKeys(host) {
		if helper, ok := c.CredHelpers[key]; ok {
			return askHelper(ctx, helper, key)
		}
	}
	if c.CredsStore != "" {
		for _, key := range serverKeys(host) {
			login, err := askHelper(ctx, c.CredsStore, key)
			if login != nil || err != nil {
				return login, err
			}
		}
	}
	for key, auth := range c.Auths {
		if serverHost(key) == host && (auth.Auth != "" || auth.IdentityToken != "") {
			return auth.login()
		}
	}
	return nil, nil //nolint:nilnil // no login is no error
}

// serverKeys are the names under which a login for a registry may be kept.
func serverKeys(host string) []string {
	if host == dockerHub {
		return []string{"https://index.docker.io/v1/", host}
	}
	return []string{host, "https://" + host}
}

// serverHost is the registry that a key of the file means: older ones are URLs.
func serverHost(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, _, _ := strings.Cut(key, "/")
	if host == "index."+dockerHub || host == "registry-1."+dockerHub {
		return dockerHub
	}
	return host
}

func (auth dockerAuth) login() (*api.RegistryLogin, error) {
	if auth.IdentityToken != "" {
		return &api.RegistryLogin{IdentityToken: auth.IdentityToken}, nil
	}
	text, err := base64.StdEncoding.DecodeString(auth.Auth)
	if err != nil {
		// The error would show a part of it.
		return nil, errors.New("its auth is not base64")
	}
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return nil, errors.New("its auth is not USER:PASSWORD")
	}
	return &api.RegistryLogin{Username: user, Password: strings.TrimRight(password, "\x00")}, nil
}

// askHelper asks docker-credential-NAME for the login of a server:
// https://github.com/docker/docker-credential-helpers#development
func askHelper(ctx context.Context, name, server string) (*api.RegistryLogin, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(name) {
		return nil, errors.New("the credential helper " + printable(name) + " is not a name")
	}
	ctx, cancel := context.WithTimeout(ctx, helperLimit)
	defer cancel()
	program := "docker-credential-" + name
	cmd := exec.CommandContext(ctx, program, "get")
	cmd.Stdin = strings.NewReader(server)
	cmd.WaitDelay = time.Second
	var said, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaint
	err := cmd.Run()
	text := strings.TrimSpace(said.String() + complaint.String())
	switch {
	case err == nil:
	case strings.Contains(text, "credentials not found"):
		return nil, nil //nolint:nilnil // no login is no error
	case ctx.Err() != nil:
		return nil, errors.New(program + " did not answer in " + helperLimit.String())
	default:
		return nil, errors.New(program + ": " + shorten(firstLine(text, err), 200))
	}
	var answer struct{ Username, Secret string }
	if json.Unmarshal(said.Bytes(), &answer) != nil || answer.Secret == "" {
		return nil, errors.New(program + " did not answer with a login")
	}
	if answer.Username == "<token>" {
		return &api.RegistryLogin{IdentityToken: answer.Secret}, nil
	}
	return &api.RegistryLogin{Username: answer.Username, Password: answer.Secret}, nil
}

func firstLine(text string, err error) string {
	line, _, _ := strings.Cut(text, "\n")
	if line == "" {
		return err.Error()
	}
	return line
}
