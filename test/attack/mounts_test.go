package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/internal/imagetest"
)

// dialer tries every socket beneath its arguments, and says which one it reached.
const dialer = `package main
import ("fmt"; "io/fs"; "net"; "os"; "path/filepath")
func main() { for _, dir := range os.Args[1:] { filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
	if err == nil && d.Type()&fs.ModeSocket != 0 { if c, err := net.Dial("unix", p); err == nil { c.Close(); fmt.Println("reached", p) } }
	return nil }) } }
`

// TestEngineSocket_IsReachedByNoMount tries to bring the engine's socket into a session: under the default rules, and
// under ones that let alice mount all that she can open.
func TestEngineSocket_IsReachedByNoMount(t *testing.T) {
	img := imagetest.WithBusybox(t, "amd64")
	img.Layers = append(img.Layers, []imagetest.File{{Name: "bin/dialer", Mode: 0o755, Body: imagetest.Program(t, "amd64", dialer)}})
	for name, rule := range map[string]string{"default": "", "all that she can open": `host_paths: {allow: ["/"]}`} {
		t.Run(name, func(t *testing.T) {
			var more []string
			if rule != "" {
				more = append(more, rule)
			}
			w := newWorld(t, more...)
			ref := w.image + "-dialer" // the two run side by side, and each takes its own away
			imagetest.Load(t, w.engine.Host, ref, img)
			socket := strings.TrimPrefix(w.engine.Host, "unix://")
			dir := filepath.Dir(socket)
			if got, err := w.docker("run", "--rm", "--network", "none", "-v", dir+":/m", ref, "/bin/dialer", "/m"); err != nil || !strings.Contains(got, "reached") {
				t.Fatalf("the attack does not win where nothing stops it: %q, %v", got, err)
			}
			home := w.home(alice)
			for _, link := range []struct{ name, to string }{{"sock", socket}, {"up", dir}, {"proc", "/proc/self/root" + dir}, {"rel", "../../../../../../.." + socket}, {"slash", "/"}} {
				must(t, os.Symlink(link.to, filepath.Join(home, link.name)))
				must(t, os.Lchown(filepath.Join(home, link.name), int(alice.uid), int(alice.uid)))
			}
			w.mustCtl(alice, "vfolder", "create", "mine")
			folder := w.mustCtl(alice, "vfolder", "path", "mine")
			must(t, os.Symlink(dir, filepath.Join(folder, "out")))
			w.ctl(alice, "vfolder", "create", "external", "--path", dir)
			w.ctl(alice, "vfolder", "create", "linked", "--path", filepath.Join(home, "up"))
			w.template(alice, "dial", ref, "")
			for i, source := range []string{
				socket, "/" + socket, dir + "/./" + filepath.Base(socket), dir, dir + "/", filepath.Dir(dir) + "/../" + dir,
				"/proc/self/root" + socket, "/proc/1/root" + dir, fmt.Sprintf("/proc/%d/cwd", w.agentd.Process.Pid),
				fmt.Sprintf("/proc/%d/root%s", w.agentd.Process.Pid, dir), home + "/sock", home + "/up", home + "/proc", home + "/rel",
				home + "/slash", home + "/slash" + dir, home + "/../../../../../.." + socket, "mine/out", "mine/../../../../" + dir,
				"external", "linked", "/run", "/var/run", w.path("state"), w.path("run"), w.path("state", "users", "20011"),
			} {
				session := fmt.Sprintf("dial%d", i)
				out, status := w.ctl(alice, "launch", "dial", "-t", session, "--no-reuse", "-m", source+"=/m/x:ro")
				if status != 0 {
					if !strings.Contains(out, "ctl: ") || strings.Contains(out, "internal") {
						t.Errorf("%s: refused without a clear word: %s", source, out)
					}
					continue
				}
				// She may mount what she can open; the engine she must not reach. agentd's own socket is hers to use.
				got := w.mustCtl(alice, "session", "exec", session, "--", "/bin/dialer", "/m")
				for line := range strings.Lines(got) {
					if !strings.Contains(line, "agentd.sock") {
						t.Errorf("%s: %s", source, line)
					}
				}
				if rule == "" {
					t.Errorf("%s is mounted under the default rules", source)
				}
				w.end(alice, session)
			}
			// An honest mount of the same image works: it was the sources that were refused.
			w.mustCtl(alice, "launch", "dial", "-t", "honest", "--no-reuse", "-m", "mine=/m/x:ro")
			w.end(alice, "honest")
		})
	}
}

// TestEscapes_LeadNowhere tries sources, subpaths, targets and destinations that lead out, and what others own.
func TestEscapes_LeadNowhere(t *testing.T) {
	w := newWorld(t)
	home := w.home(alice)
	private := w.file(mallory, "private/secret", "mallory's")
	must(t, os.Chmod(filepath.Dir(private), 0o700))
	must(t, os.Symlink(filepath.Dir(private), filepath.Join(home, "theirs")))
	must(t, os.Symlink("/etc", filepath.Join(home, "etc")))
	own := w.file(alice, "own/file", "alice's")
	w.template(alice, "escape", w.image, "")
	w.mustCtl(alice, "vfolder", "create", "data")
	for _, spec := range []string{
		filepath.Dir(private) + "=/m", private + "=/m", home + "/theirs=/m", home + "/theirs/secret=/m", home + "/etc=/m", home + "/etc/shadow=/m",
		home + "/own/../../mallory/private=/m", home + "/../mallory/private=/m", "data/../../../20012=/m", "data/..=/m", "../data=/m",
		"/etc/shadow=/m", "/root=/m", "/=/m", "/proc=/m", "/sys=/m", "/dev=/m",
		filepath.Dir(own) + "=/etc/passwd", filepath.Dir(own) + "=/proc/1", filepath.Dir(own) + "=../../../etc", filepath.Dir(own) + "=/home/work/../../etc",
		filepath.Dir(own) + "=/.agentd/x", filepath.Dir(own) + "=/", filepath.Dir(own) + "=/home/work", filepath.Dir(own) + "=/usr", filepath.Dir(own) + "=/dev/shm/x",
	} {
		if out, status := w.ctl(alice, "launch", "escape", "--no-reuse", "-m", spec); status == 0 || !strings.Contains(out, "ctl: ") {
			t.Errorf("%s: %d: %s", spec, status, out)
		}
	}
	for i, dest := range []string{"..", "../x", "/etc", "/home/work/../../etc", "a/../../../etc", "/proc/x", "/.agentd", "x\\u0000y", "a\\nb"} {
		text := fmt.Sprintf(`{"api_version": "v1", "kind": "taskTemplate", "metadata": {"name": "dest%d"}, "spec": {"kernel": {"image": %q,
"git": {"repository": "https://git.example/x/y", "destination_dir": "%s"}}}}`, i, w.image, dest)
		if out, status := w.ctl(alice, "sesstpl", "create", "-f", w.file(alice, "dest.yaml", text)); status == 0 {
			t.Errorf("destination_dir %q is accepted: %s", dest, out)
		}
	}
	// Weakened: root may do what the owner may not, so each of these sources is there to be taken.
	for _, path := range []string{private, "/etc/shadow", home + "/theirs/secret", home + "/etc/shadow"} {
		if _, err := os.ReadFile(path); err != nil {
			t.Errorf("the bait is not there: %v", err)
		}
	}
	// And an honest one works.
	w.mustCtl(alice, "launch", "escape", "-t", "honest", "--no-reuse", "-m", filepath.Dir(own)+"=/m")
	if got := w.mustCtl(alice, "session", "exec", "honest", "--", "/bin/cat", "/m/file"); got != "alice's" {
		t.Errorf("inside: %q", got)
	}
	w.end(alice, "honest")
}

// TestTemplateOfAnother_IsJudgedByWhoLaunches has a template that mounts what only mallory can open. An administrator, who
// sees it, launches it as himself: his rights decide, not its author's.
func TestTemplateOfAnother_IsJudgedByWhoLaunches(t *testing.T) {
	w := newWorld(t)
	private := w.file(mallory, "private/secret", "mallory's")
	must(t, os.Chmod(filepath.Dir(private), 0o700))
	for _, u := range []user{mallory, admin} {
		must(t, os.Chmod(w.home(u), 0o711))
	}
	w.template(mallory, "theirs", w.image, fmt.Sprintf("  mounts:\n    %s: /m\n", filepath.Dir(private)))
	// The author himself can.
	w.mustCtl(mallory, "launch", "theirs", "-t", "author")
	if got := w.mustCtl(mallory, "session", "exec", "author", "--", "/bin/cat", "/m/secret"); got != "mallory's" {
		t.Errorf("inside: %q", got)
	}
	id := w.mustCtl(mallory, "sesstpl", "list", "-q")
	out, status := w.ctl(admin, "launch", id, "-t", "taken")
	if status == 0 || !strings.Contains(out, "in step mounts") {
		t.Errorf("who cannot open it launches it: %d: %s", status, out)
	}
	if out, status := w.ctl(alice, "launch", id); status != 3 {
		t.Errorf("alice: %d: %s", status, out)
	}
	w.end(mallory, "author")
}
