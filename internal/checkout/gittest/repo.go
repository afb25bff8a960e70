// Package gittest is a real Git host for tests: repositories made by the real git, served by its own programs over HTTP,
// HTTPS and SSH, with and without a login, and in the ways of hosts that are broken or hostile.
package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/testenv"
)

// Env is an environment in which git depends on nothing of the machine's, with its commits at a fixed time.
func Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Author", "GIT_AUTHOR_EMAIL=author@example.org", "GIT_AUTHOR_DATE=2024-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=Author", "GIT_COMMITTER_EMAIL=author@example.org", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z",
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always",
		"GIT_CONFIG_KEY_2=init.defaultBranch", "GIT_CONFIG_VALUE_2=main",
	}
}

// Sh runs a shell script in dir and returns what it printed, without the last newline; a failure ends the test.
func Sh(t testing.TB, dir, script string, args ...string) string {
	t.Helper()
	testenv.Tool(t, "git")
	cmd := exec.Command("/bin/sh", append([]string{"-euc", script, "sh"}, args...)...)
	cmd.Dir, cmd.Env = dir, Env()
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("in %s: %s: %v\n%s", dir, script, err, errors.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Repo is a repository with a work tree, to commit in.
type Repo struct {
	t testing.TB
	// Dir is the work tree; what is served is Dir/.git.
	Dir string
}

// New makes an empty repository called name.git beneath root, which a [Server] can serve.
func New(t testing.TB, root, name string) Repo {
	t.Helper()
	r := Repo{t, filepath.Join(root, name+".git")}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	Sh(t, r.Dir, "git init -q -b main .")
	return r
}

// Sh runs a shell script in the work tree.
func (r Repo) Sh(script string, args ...string) string {
	r.t.Helper()
	return Sh(r.t, r.Dir, script, args...)
}

// Commit writes files, commits all there is and returns the hash.
func (r Repo) Commit(message string, files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.Sh(`git add -A && git commit -q --allow-empty -m "$1" && git rev-parse HEAD`, message)
}
