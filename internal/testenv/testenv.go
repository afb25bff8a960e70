// Package testenv holds the gates of tests that need more than Go: a test behind one skips with its reason on a laptop
// and fails where AGENTD_TEST_REQUIRE names the gate, so that CI can never turn green by skipping.
package testenv

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// RequireEnv is the environment variable that lists, with commas, the gates that must be open.
const RequireEnv = "AGENTD_TEST_REQUIRE"

// Gates that [RequireEnv] can name; a tool's gate is its program's name.
const (
	GateRoot   = "root"
	GateEngine = "engine"
	GateVM     = "vm"
	// GateEmulator is an emulator for the programs of arm64, registered so that containers have it (flag F).
	GateEmulator = "emulator"
)

// Root skips a test that needs to be run by root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Closed(t, GateRoot, "needs root: run it with sudo")
	}
}

// Tool skips a test that needs the program name, and returns its path.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Closed(t, name, "needs the program "+name+": apt-get install it")
	}
	return path
}

// Closed skips the test because the gate is closed, or fails it where the gate is required.
func Closed(t testing.TB, gate, reason string) {
	t.Helper()
	if required(gate) {
		t.Fatalf("%s names the gate %q, which is closed: %s", RequireEnv, gate, reason)
	}
	t.Skipf("gate %s: %s", gate, reason)
}

// required reports whether [RequireEnv] names the gate.
func required(gate string) bool {
	return slices.Contains(strings.Split(os.Getenv(RequireEnv), ","), gate)
}
