package readme

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/testenv"
	"agentd/test/daemon"
)

// TestInstall_PutsEachFileInItsPlace installs into an empty directory, looks, and takes it away again.
func TestInstall_PutsEachFileInItsPlace(t *testing.T) {
	testenv.Tool(t, "make")
	if os.Getenv(testenv.BinEnv) == "" {
		t.Skip("gate build: only in make test, which has built the programs")
	}
	dest := t.TempDir()
	run := func(target string) {
		t.Helper()
		// -o: the programs are there, and other tests are using them.
		cmd := exec.CommandContext(t.Context(), "make", "-o", "build", target, "DESTDIR="+dest, "PREFIX=/usr", "BIN="+os.Getenv(testenv.BinEnv))
		cmd.Dir = testenv.ModuleRoot(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	run("install")
	want := []string{
		"etc/agentd/agentd.yaml",
		"usr/bin/agentd", "usr/bin/ctl",
		"usr/lib/agentd/agentd-helper", "usr/lib/agentd/agentd-imageprobe", "usr/lib/agentd/agentd-init",
		"usr/lib/systemd/system/agentd.service", "usr/lib/systemd/system/agentd.slice",
		"usr/lib/systemd/system/agentd.socket", "usr/lib/systemd/user/agentd.service",
		"usr/lib/sysusers.d/agentd.conf", "usr/lib/tmpfiles.d/agentd.conf",
	}
	if diff := cmp.Diff(want, files(t, dest)); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	unit, err := os.ReadFile(filepath.Join(dest, "usr/lib/systemd/system/agentd.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/bin/agentd") {
		t.Errorf("the unit does not start what was installed: %v\n%s", err, unit)
	}
	if err := os.WriteFile(filepath.Join(dest, want[0]), []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("install")
	if text, err := os.ReadFile(filepath.Join(dest, want[0])); err != nil || string(text) != "# mine\n" {
		t.Errorf("a second install replaced the configuration: %v\n%s", err, text)
	}
	run("uninstall")
	if diff := cmp.Diff(want[:1], files(t, dest)); diff != "" {
		t.Errorf("left after uninstall (-want +got):\n%s", diff)
	}
}

// TestInstall_DaemonFindsWhatRunsInSessions starts the installed agentd, and asks it where agentd-init and the probe are.
func TestInstall_DaemonFindsWhatRunsInSessions(t *testing.T) {
	testenv.Tool(t, "make")
	if os.Getenv(testenv.BinEnv) == "" {
		t.Skip("gate build: only in make test, which has built the programs")
	}
	dest, dir := t.TempDir(), testenv.Dir(t)
	cmd := exec.CommandContext(t.Context(), "make", "-o", "build", "install", "DESTDIR="+dest, "BIN="+os.Getenv(testenv.BinEnv))
	cmd.Dir = testenv.ModuleRoot(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	for _, hint := range []string{"systemd-sysusers", "systemd-tmpfiles --create", "systemctl enable --now agentd.socket"} {
		if !strings.Contains(string(out), hint) {
			t.Errorf("make install does not say %q:\n%s", hint, out)
		}
	}
	local := filepath.Join(dest, "usr", "local")
	d, err := daemon.New(filepath.Join(local, "bin", "agentd"), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(append(os.Environ(), "HOME="+dir)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	doctor := exec.CommandContext(t.Context(), filepath.Join(local, "bin", "ctl"), "--socket", d.Socket(), "system", "doctor")
	// Its status tells of the whole machine, which may have no engine.
	out, _ = doctor.CombinedOutput() //nolint:errcheck // see above
	want := "OK    programs: what runs in sessions is in " + filepath.Join(local, "lib", "agentd")
	if !strings.Contains(string(out), want+"\n") {
		t.Errorf("the doctor does not say %q:\n%s", want, out)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(dir, path)
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}
