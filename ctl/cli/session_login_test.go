package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/api"
)

// helperScript is a credential helper that knows one server.
const helperScript = `#!/bin/sh
read -r server
case "$1 $server" in
"get known.example") echo '{"ServerURL":"known.example","Username":"alice","Secret":"sesame"}' ;;
"get token.example") echo '{"Username":"<token>","Secret":"idtoken"}' ;;
"get broken.example") echo 'the keyring is locked' ; exit 1 ;;
"get odd.example") echo 'hello' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`

// TestRegistryLogin uses PATH, so it cannot run beside others.
func TestRegistryLogin(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-story"), []byte(helperScript), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const inFile = `{"auths": {
		"registry.example": {"auth": "YWxpY2U6cGFzczp3b3Jk"},
		"https://index.docker.io/v1/": {"auth": "Ym9iOnB3"},
		"https://old.example/v2/": {"auth": "Ym9iOnB3"},
		"id.example": {"identitytoken": "tok"},
		"empty.example": {},
		"bad.example": {"auth": "!!"}, "nocolon.example": {"auth": "YWxpY2U="}}}`
	const store = `{"credsStore": "story", "auths": {"known.example": {}, "file.example": {"auth": "Ym9iOnB3"}}}`
	const helpers = `{"credsStore": "nosuch", "credHelpers": {"known.example": "story", "evil.example": "../x"}}`
	for _, row := range []struct{ config, host, want, warning string }{
		{inFile, "registry.example", "alice pass:word ", ""},
		{inFile, "docker.io", "bob pw ", ""},
		{inFile, "old.example", "bob pw ", ""},
		{inFile, "id.example", "  tok", ""},
		{inFile, "empty.example", "none", ""},
		{inFile, "other.example", "none", ""},
		{inFile, "bad.example", "none", "its auth is not base64"},
		{inFile, "nocolon.example", "none", "not USER:PASSWORD"},
		{store, "known.example", "alice sesame ", ""},
		{store, "token.example", "  idtoken", ""},
		{store, "file.example", "bob pw ", ""},
		{store, "nothing.example", "none", ""},
		{store, "broken.example", "none", "the keyring is locked"},
		{store, "odd.example", "none", "did not answer with a login"},
		{helpers, "known.example", "alice sesame ", ""},
		{helpers, "evil.example", "none", "is not a name"},
		{helpers, "else.example", "none", "docker-credential-nosuch"},
		{`{`, "x", "none", "config.json: unexpected end of JSON"},
		{"", "x", "none", ""},
	} {
		dir := t.TempDir()
		if row.config != "" {
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(row.config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var said bytes.Buffer
		a := &app{Stdio: Stdio{Err: &said, Getenv: func(name string) string {
			return map[string]string{"DOCKER_CONFIG": dir}[name]
		}}}
		got := loginText(a.registryLogin(t.Context(), row.host))
		if got != row.want {
			t.Errorf("%s: got %q, want %q", row.host, got, row.want)
		}
		if (row.warning == "") != (said.Len() == 0) || !strings.Contains(said.String(), row.warning) {
			t.Errorf("%s: said %q, want %q", row.host, said.String(), row.warning)
		}
	}
}

func loginText(l *api.RegistryLogin) string {
	if l == nil {
		return "none"
	}
	return fmt.Sprintf("%s %s %s", l.Username, l.Password, l.IdentityToken)
}
