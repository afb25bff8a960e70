package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"agentd/internal/testenv/scratch"
)

// moduleRoot is the directory of go.mod, found from the directory that the test runs in: that of its package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}

// ModuleRoot returns the absolute path of the directory of go.mod.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Dir makes a directory that is removed after the test, with what is mounted in it. Its name is short: a socket's path
// ends at 107 bytes, and that of t.TempDir is long.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agentd-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := scratch.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
