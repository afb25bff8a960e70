package testenv

import (
	"os"
	"strings"
	"testing"
)

// Emulates reports whether this machine runs the programs of arm64 in containers: natively, or by an emulator that the
// kernel opened when it was registered (https://docs.kernel.org/admin-guide/binfmt-misc.html, flag F).
func Emulates() bool {
	text, err := os.ReadFile("/proc/sys/fs/binfmt_misc/qemu-aarch64")
	_, flags, _ := strings.Cut(string(text), "flags: ")
	flags, _, _ = strings.Cut(flags, "\n")
	return err == nil && strings.HasPrefix(string(text), "enabled") && strings.Contains(flags, "F")
}

// Emulator skips a test that runs programs of arm64.
func Emulator(t testing.TB) {
	t.Helper()
	if !Emulates() {
		Closed(t, GateEmulator, "needs an emulator for arm64: apt-get install qemu-user-static binfmt-support")
	}
}
