package testenv

import (
	"os/exec"
	"testing"
)

// VM skips a test that makes and boots a virtual machine: that takes minutes, so it is done only where [RequireEnv] names
// the gate, as `make vm` does.
func VM(t testing.TB) {
	t.Helper()
	if !required(GateVM) {
		t.Skipf("gate %s: only with %s=%s, or make vm", GateVM, RequireEnv, GateVM)
	}
	for program, pkg := range map[string]string{
		"qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "dpkg-deb": "dpkg", "make": "make",
	} {
		if _, err := exec.LookPath(program); err != nil {
			Closed(t, GateVM, "needs the program "+program+": apt-get install "+pkg)
		}
	}
}
