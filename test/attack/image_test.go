package attack

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"agentd/internal/imagetest"
)

// euid prints the effective uid; busybox gives the rights of a setuid file away by itself.
func euid(t *testing.T) []byte {
	return imagetest.Program(t, "amd64", "package main\nimport \"os\"\nfunc main() { print(os.Geteuid()) }\n")
}

// run launches a session of an image and returns what its script printed.
func (w *world) run(u user, img, name, script string) string {
	w.t.Helper()
	w.template(u, name, img, "")
	w.mustCtl(u, "launch", name, "-t", name)
	return w.mustCtl(u, "session", "exec", name, "--", "/bin/sh", "-c", script)
}

func (w *world) end(u user, name string) {
	w.t.Helper()
	w.mustCtl(u, "session", "terminate", "--force", name)
	w.ctl(u, "session", "wait", name)
}

func TestSetuidImage_GivesNoRoot(t *testing.T) {
	w := newWorld(t)
	img := imagetest.WithBusybox(t, "amd64")
	img.Layers = append(img.Layers, []imagetest.File{{Name: "bin/rootid", Mode: 0o4755, Body: euid(t)}})
	const ref = "agentd-test/attack:setuid"
	imagetest.Load(t, w.engine.Host, ref, img)
	// Weakened: the same user, without no_new_privileges.
	if got, err := w.docker("run", "--rm", "--user", "20011:20011", "--network", "none", ref, "/bin/rootid"); err != nil || got != "0" {
		t.Fatalf("the attack does not win where nothing stops it: %q, %v", got, err)
	}
	got := w.run(alice, ref, "setuid", "rootid 2>&1; echo; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t\\n' '  '")
	for _, want := range []string{"20011\n", "CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("inside: %q, want %q", got, want)
		}
	}
	// What the session leaves on the host is alice's, whatever bits it has.
	w.mustCtl(alice, "session", "exec", "setuid", "--", "/bin/sh", "-c", "cp /bin/rootid ~/left && chmod 4777 ~/left")
	left, err := filepath.Glob(w.path("state", "users", strconv.Itoa(int(alice.uid)), "scratch", "*", "left"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	if info, err := os.Stat(left[0]); err != nil || ownerOf(info) != alice.uid {
		t.Errorf("left on the host: %v, %v", info, err)
	}
	w.end(alice, "setuid")
}

// TestHostileLabels_AdoptAndLoseNothing has containers and an image that say they are agentd's.
func TestHostileLabels_AdoptAndLoseNothing(t *testing.T) {
	w := newWorld(t)
	w.template(alice, "plain", w.image, "")
	w.mustCtl(alice, "launch", "plain", "-t", "victim")
	id := w.mustCtl(alice, "session", "ls", "-q")
	labels := map[string]string{
		"io.agentd.instance": w.instance(), "io.agentd.session": id, "io.agentd.nonce": "guessed", "io.agentd.owner": "20011",
	}
	hostile := imagetest.WithBusybox(t, "amd64")
	hostile.Labels = labels
	const ref = "agentd-test/attack:labels"
	imagetest.Load(t, w.engine.Host, ref, hostile)
	// A container of somebody else's, of that image, and one that takes the name of a session that is not there.
	foreign := w.mustDocker("run", "-d", "--network", "none", ref, "/bin/sleep", "600")
	defer w.docker("rm", "-f", "-v", foreign)
	squatter := w.mustDocker("create", "--name", "agentd-"+strings.Repeat("a", len(id)), "--label", "io.agentd.instance="+w.instance(), w.image, "/bin/true")
	defer w.docker("rm", "-f", "-v", squatter)
	// Weakened: a clean-up that believes a label finds them.
	if found := w.mustDocker("ps", "-aq", "--no-trunc", "--filter", "label=io.agentd.instance="+w.instance()); !strings.Contains(found, foreign) ||
		!strings.Contains(found, squatter) {
		t.Fatalf("by label alone one finds %q: the attack was not tried", found)
	}
	// A session of the hostile image has labels of its own, and the image's are gone.
	w.template(alice, "hostile", ref, "")
	w.mustCtl(alice, "launch", "hostile", "-t", "hostile")
	sessions := strings.Fields(w.mustDocker("ps", "-q", "--filter", "ancestor="+ref, "--filter", "name=agentd-"))
	if len(sessions) != 1 {
		t.Fatalf("the hostile image's session has the containers %v", sessions)
	}
	for _, c := range sessions {
		got := w.mustDocker("inspect", "-f", `{{index .Config.Labels "io.agentd.session"}} {{index .Config.Labels "io.agentd.nonce"}}`, c)
		if strings.Contains(got, id) || strings.Contains(got, "guessed") {
			t.Errorf("the hostile image's session is labelled %q", got)
		}
	}
	w.end(alice, "hostile")
	// After a restart, which looks for what it had, and after the end of everything, the strangers are as they were.
	w.stop()
	w.start()
	if got := w.mustCtl(alice, "session", "exec", "victim", "--", "/bin/echo", "alive"); got != "alive" {
		t.Errorf("the session after the restart: %q", got)
	}
	w.end(alice, "victim")
	if got := w.mustDocker("inspect", "-f", "{{.State.Status}}", foreign, squatter); got != "running\ncreated" {
		t.Errorf("the strangers are %q, want running and created", got)
	}
}

// TestHostileImage_NothingOfItsConfigurationIsUsed launches an image whose every field is made to harm.
func TestHostileImage_NothingOfItsConfigurationIsUsed(t *testing.T) {
	w := newWorld(t)
	img := imagetest.WithBusybox(t, "amd64")
	img.User, img.WorkingDir, img.StopSignal = "0:0", "/proc/self/fd/7", "SIGSTOP"
	img.Entrypoint, img.Cmd = []string{"/bin/sh", "-c", "echo entrypoint >/tmp/ran; exit 3"}, []string{"x"}
	img.Healthcheck = []string{"CMD-SHELL", "echo healthcheck >/tmp/ran"}
	img.Volumes = []string{"/data", "/home/work/vol", "/etc/vol"}
	img.Env = append(img.Env, "GODEBUG=execerrdot=0", "LD_PRELOAD=/evil.so", "HOME=/root", "USER=root")
	const ref = "agentd-test/attack:config"
	imagetest.Load(t, w.engine.Host, ref, img)
	// Weakened: the engine's own way uses it all, and leaves volumes behind.
	naive := w.mustDocker("create", "--network", "none", "--workdir", "/", ref)
	if got := w.mustDocker("inspect", "-f", "{{.Config.User}} {{.Config.Healthcheck.Test}} {{.Config.StopSignal}}", naive); !strings.HasPrefix(got, "0:0 [CMD-SHELL") {
		t.Fatalf("the engine says %q", got)
	}
	const volumes = "{{range .Mounts}}{{if .Name}}{{.Name}} {{end}}{{end}}"
	leaked := strings.Fields(w.mustDocker("inspect", "-f", volumes, naive))
	w.mustDocker("rm", "-f", naive)
	if len(leaked) != 3 {
		t.Errorf("a plain container has the volumes %v, want three: the attack was not tried", leaked)
	}
	w.mustDocker(append([]string{"volume", "rm"}, leaked...)...) // they were left
	got := w.run(alice, ref, "config", "id -u; pwd; echo $HOME $USER; ls /tmp; kill -0 1 && echo up")
	if got != "20011\n/home/work\n/home/work work\nup" {
		t.Errorf("inside:\n%s", got)
	}
	container := w.mustDocker("ps", "-q", "--filter", "label=io.agentd.instance="+w.instance())
	if got := w.mustDocker("inspect", "-f", "{{.Config.Healthcheck.Test}} {{.Config.StopSignal}} {{.Config.WorkingDir}} {{.Config.Cmd}}", container); got != "[NONE] SIGTERM / []" {
		t.Errorf("the container has %q", got)
	}
	environ, err := os.ReadFile("/proc/" + w.mustDocker("inspect", "-f", "{{.State.Pid}}", container) + "/environ")
	if err != nil || bytes.Contains(environ, []byte("GODEBUG")) || bytes.Contains(environ, []byte("PRELOAD")) {
		t.Errorf("agentd-init runs with %q, %v", environ, err)
	}
	ours := strings.Fields(w.mustDocker("inspect", "-f", volumes, container))
	w.end(alice, "config")
	w.mustCtl(alice, "session", "rm", "config")
	ours = append(ours, strings.Fields(w.mustDocker("volume", "ls", "-q", "--filter", "label=io.agentd.instance="+w.instance()))...)
	for _, volume := range ours {
		if out, err := w.docker("volume", "inspect", volume); err == nil {
			t.Errorf("a volume is left: %s", out)
		}
	}
}

// TestHostilePasswd_NamesAndIdsAreOurs has images whose /etc/passwd lies in every way.
func TestHostilePasswd_NamesAndIdsAreOurs(t *testing.T) {
	w := newWorld(t)
	host := hashOf(t, "/etc/passwd", "/etc/shadow", "/etc/group")
	passwd := func(text string) imagetest.File {
		return imagetest.File{Name: "etc/passwd", Mode: 0o644, Body: []byte(text)}
	}
	for name, c := range map[string]struct {
		file imagetest.File
		// refused says that a launch may end with a clear word instead.
		refused bool
	}{
		"root-is-work": {passwd("work:x:0:0::/root:/bin/sh\n"), false},
		"twice-uid":    {passwd("evil:x:20011:0::/evil:/bin/evil\nroot:x:20011:0::/root:/bin/sh\n"), false},
		"huge":         {passwd(strings.Repeat("x:x:1:1:"+strings.Repeat("y", 1000)+":/:/bin/sh\n", 10_000)), false},
		"no-newlines":  {passwd(strings.Repeat(":", 100_000)), true},
		"binary":       {passwd("\x00\xff\nwork\n:::::::\nwork:x:0:0::/:/bin/sh\r"), false},
		"link-shadow":  {imagetest.File{Name: "etc/passwd", Link: "/etc/shadow"}, true},
		"link-out":     {imagetest.File{Name: "etc/passwd", Link: "../../../../../../../../etc/shadow"}, true},
		"link-proc":    {imagetest.File{Name: "etc/passwd", Link: "/proc/1/root/etc/passwd"}, true},
		"link-home":    {imagetest.File{Name: "etc/passwd", Link: "/home/work/passwd"}, true},
		"directory":    {imagetest.File{Name: "etc/passwd/", Mode: 0o755}, true},
	} {
		t.Run(name, func(t *testing.T) {
			img := imagetest.WithBusybox(t, "amd64")
			var files []imagetest.File
			for _, f := range img.Layers[0] {
				if f.Name != "etc/passwd" {
					files = append(files, f)
				}
			}
			img.Layers = [][]imagetest.File{append(files, c.file)}
			ref := "agentd-test/attack:passwd-" + name
			imagetest.Load(t, w.engine.Host, ref, img)
			if name == "root-is-work" {
				// Weakened: the image says who work is.
				if got, err := w.docker("run", "--rm", "--network", "none", "--user", "work", ref, "/bin/id", "-u"); err != nil || got != "0" {
					t.Errorf("the attack does not win where nothing stops it: %q, %v", got, err)
				}
			}
			w.template(alice, name, ref, "")
			out, status := w.ctl(alice, "launch", name, "-t", name)
			if status != 0 {
				if !c.refused || !strings.Contains(out, "ctl: ") {
					t.Errorf("the launch ended with %d: %s", status, out)
				}
				return
			}
			if c.refused {
				// Where its passwd leads is the image's own loss; who one is there is not its choice.
				if got := w.mustCtl(alice, "session", "exec", name, "--", "/bin/sh", "-c", "id -u; id -G"); !strings.HasPrefix(got, "20011\n20011") {
					t.Errorf("inside: %q", got)
				}
				w.end(alice, name)
				return
			}
			got := w.mustCtl(alice, "session", "exec", name, "--", "/bin/sh", "-c", "id -u; id -un; echo ~; head -n1 /etc/passwd; ! (echo x >>/etc/passwd) 2>/dev/null")
			if !strings.HasPrefix(got, "20011\nwork\n/home/work\nwork:x:20011:20011:") {
				t.Errorf("inside:\n%.300s", got)
			}
			w.end(alice, name)
		})
	}
	scratches := w.path("state", "users", strconv.Itoa(int(alice.uid)), "scratch")
	if got := strangers(t, scratches, alice)[1:]; len(got) > 0 { // the directory of scratches itself is root's
		t.Errorf("in the scratches are things that are not alice's: %v", got)
	}
	if !bytes.Equal(host, hashOf(t, "/etc/passwd", "/etc/shadow", "/etc/group")) {
		t.Fatal("the host's own passwd, shadow or group has changed")
	}
}

// TestHostilePasswd_ALinkIntoAMountMakesNothingAsRoot has an image whose /etc/passwd leads into what its user mounts.
func TestHostilePasswd_ALinkIntoAMountMakesNothingAsRoot(t *testing.T) {
	w := newWorld(t)
	img := imagetest.WithBusybox(t, "amd64")
	img.Layers = append(img.Layers, []imagetest.File{{Name: "etc/passwd", Link: "/m/made"}})
	const ref = "agentd-test/attack:passwd-mount"
	imagetest.Load(t, w.engine.Host, ref, img)
	own := filepath.Dir(w.file(alice, "own/file", "alice's"))
	mount := "type=bind,src=" + own + ",dst=/m"
	// Weakened: the engine, with the same two mounts.
	w.mustDocker("run", "--rm", "--network", "none", "--user", "20011", "--mount", mount, "--mount", "type=bind,src=/etc/hostname,dst=/etc/passwd", ref, "/bin/true")
	made := strangers(t, own, alice)
	if len(made) == 0 {
		t.Fatal("the engine made nothing as root: the attack was not tried")
	}
	must(t, os.Remove(made[0]))
	w.template(alice, "astray", ref, "")
	if out, status := w.ctl(alice, "launch", "astray", "-m", own+"=/m"); status == 0 || !strings.Contains(out, "/etc/passwd is a symbolic link") {
		t.Errorf("%d: %s", status, out)
	}
	if made := strangers(t, own, alice); len(made) > 0 {
		t.Errorf("made as root: %v", made)
	}
}

func hashOf(t *testing.T, paths ...string) []byte {
	t.Helper()
	h := sha256.New()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		h.Write(text)
	}
	return h.Sum(nil)
}
