package daemon_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"agentd/internal/config"
	"agentd/internal/layout"
	"agentd/internal/testenv"
)

const units = "../../systemd/"

// settings reads the settings of a unit; one that stands several times has several values.
func settings(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(units + name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	for scanner.Scan() {
		key, value, ok := strings.Cut(scanner.Text(), "=")
		if ok && !strings.HasPrefix(key, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}

func one(t *testing.T, unit map[string][]string, key string) string {
	t.Helper()
	if len(unit[key]) != 1 {
		t.Fatalf("%s stands %d times", key, len(unit[key]))
	}
	return unit[key][0]
}

func TestUnits_PathsAreTheLayouts(t *testing.T) {
	places := layout.SystemPlaces()
	service, socket := settings(t, "agentd.service"), settings(t, "agentd.socket")
	def := config.Default(0, "box", os.Getenv)
	for what, pair := range map[string][2]string{
		"socket":     {one(t, socket, "ListenStream"), places.Runtime.Socket()},
		"state":      {"/var/lib/" + one(t, service, "StateDirectory"), string(places.State)},
		"runtime":    {"/run/" + one(t, service, "RuntimeDirectory"), string(places.Runtime)},
		"config":     {"/etc/" + one(t, service, "ConfigurationDirectory") + "/agentd.yaml", places.Config},
		"state mode": {one(t, service, "StateDirectoryMode"), "0711"},
		"group":      {one(t, socket, "SocketGroup"), def.Socket.Group},
		"preserved":  {one(t, service, "RuntimeDirectoryPreserve"), "yes"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: the unit says %s; want %s", what, pair[0], pair[1])
		}
	}
	tmpfiles, err := os.ReadFile(units + "agentd.tmpfiles")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(places.Config), string(places.State), string(places.Runtime)} {
		if !strings.Contains(string(tmpfiles), "d "+dir+" ") {
			t.Errorf("tmpfiles lacks %s", dir)
		}
	}
}

// The engine must see what agentd mounts: no setting may give the unit a mount namespace of its own. RestrictSUIDSGID makes
// openat2 fail, by which agentd opens what users name.
func TestUnits_NoMountNamespace(t *testing.T) {
	service := settings(t, "agentd.service")
	for key := range strings.FieldsSeq(`PrivateTmp PrivateDevices PrivateMounts PrivateIPC ProtectSystem ProtectHome
		ProtectProc ProcSubset ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups
		ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths BindPaths BindReadOnlyPaths
		TemporaryFileSystem RootDirectory RootImage MountImages ExtensionImages MountFlags MountAPIVFS LoadCredential
		SetCredential LogNamespace DynamicUser RestrictSUIDSGID`) {
		if _, ok := service[key]; ok {
			t.Errorf("agentd.service has %s", key)
		}
		text, err := os.ReadFile(units + "agentd.service")
		if err != nil || !strings.Contains(string(text), key) {
			t.Errorf("agentd.service does not say why it lacks %s", key)
		}
	}
}

func TestUnits_TimesFitTheProgram(t *testing.T) {
	for _, name := range []string{"agentd.service", "user/agentd.service"} {
		service := settings(t, name)
		for key, want := range map[string]string{
			"Type": "notify", "WatchdogSec": "30", "KillMode": "mixed", "TimeoutStopSec": "30", "RestartPreventExitStatus": "2",
			// A crash must not end with 2.
			"Environment": "GOTRACEBACK=crash",
		} {
			if got := one(t, service, key); got != want {
				t.Errorf("%s: %s=%s; want %s", name, key, got, want)
			}
		}
	}
}

func TestUnits_SystemdAcceptsThem(t *testing.T) {
	analyze := testenv.Tool(t, "systemd-analyze")
	for _, row := range []struct {
		args  []string
		names []string
	}{
		{[]string{"verify", "--man=no"}, []string{"agentd.service", "agentd.socket", "agentd.slice"}},
		{[]string{"--user", "verify", "--man=no"}, []string{"user/agentd.service"}},
	} {
		dir := t.TempDir()
		args := row.args
		for _, name := range row.names {
			text, err := os.ReadFile(units + name)
			if err != nil {
				t.Fatal(err)
			}
			// The program must exist where the unit says.
			text = bytes.ReplaceAll(text, []byte("ExecStart=/usr/local/bin/agentd"), []byte("ExecStart="+program))
			copied := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(copied, text, 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, copied)
		}
		cmd := exec.Command(analyze, args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "SYSTEMD_UNIT_PATH="+dir+":")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", row.names, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if slices.ContainsFunc(row.names, func(n string) bool { return strings.Contains(line, filepath.Base(n)) }) {
				t.Errorf("%v: %s", row.names, line)
			}
		}
	}
}

func TestUnits_SystemdMakesGroupAndPlaces(t *testing.T) {
	testenv.Root(t)
	sysusers, tmpfiles := testenv.Tool(t, "systemd-sysusers"), testenv.Tool(t, "systemd-tmpfiles")
	root := t.TempDir()
	if err := os.MkdirAll(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/group", []byte("root:x:0:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{sysusers, "--root=" + root, "--replace=/usr/lib/sysusers.d/agentd.conf", "-"},
		{tmpfiles, "--create", "--root=" + root, "-"},
	} {
		file := units + "agentd.sysusers"
		if args[0] == tmpfiles {
			file = units + "agentd.tmpfiles"
		}
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = in
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 && args[0] == tmpfiles {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		in.Close()
	}
	if group, err := os.ReadFile(root + "/etc/group"); err != nil || !strings.Contains(string(group), "\nagentd:") {
		t.Errorf("no group agentd: %s, %v", group, err)
	}
	if info, err := os.Stat(root + "/var/lib/agentd"); err != nil || info.Mode().Perm() != layout.ModePassDir {
		t.Errorf("%v, %v", info, err)
	}
}

// Go ends with 2 when it crashes, which the unit takes for a wrong call: then nothing would start agentd anew.
func TestUnits_TheWatchdogsBiteIsNoWrongCall(t *testing.T) {
	for _, name := range []string{"agentd.service", "user/agentd.service"} {
		b := newBox(t)
		b.env = settings(t, name)["Environment"]
		p := b.serving()
		p.signal(syscall.SIGABRT)
		if code := p.ended(); code != -1 || p.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGABRT {
			t.Errorf("%s: agentd ends with %s", name, p.ProcessState)
		}
	}
}
