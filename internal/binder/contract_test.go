package binder_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// contract is what every binder must do, told by what a container finds. Where the two differ, a case says which is which.
var contract = []struct {
	name string
	test func(t *testing.T, p *party)
}{
	{"reads and writes", readsAndWrites},
	{"read-only is honoured", readOnlyIsHonoured},
	{"mounts beneath come along", mountsBeneathComeAlong},
	{"a setuid program beneath gives nothing", setuidGivesNothing},
	{"what was opened is mounted, whatever is put in its place", swappedAfterOpening},
	{"directories, and files only by root", directoriesAndFiles},
	{"release is safe twice and leaves nothing", releaseLeavesNothing},
	{"a live bind is never removed through", liveBindIsSafe},
	{"the host's own mounts survive", hostMountsSurvive},
}

func TestMounts_KeepTheContract(t *testing.T)  { keepTheContract(t, newRootsParty) }
func TestVolumes_KeepTheContract(t *testing.T) { keepTheContract(t, newUsersParty) }

func keepTheContract(t *testing.T, start func(t *testing.T, engine string) *party) {
	engine := testenv.Engine(t)
	testenv.Root(t)
	testenv.Tool(t, "docker")
	imagetest.Load(t, engine.Host, image, imagetest.WithBusybox(t, "amd64"))
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, engine.Host)
			p.engine = engine.Host
			c.test(t, p)
			if err := p.release("s"); err != nil {
				t.Error(err)
			}
			p.nothingLeft(t)
		})
	}
}

const image = "agentd-test/binder:contract"

// docker runs the engine's own command line, which is told what agentd tells the engine.
func (p *party) docker(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "docker", append([]string{"-H", p.engine}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// flags are those of a session's container, as far as mounts are concerned.
func (p *party) flags(b bound, readOnly bool) []string {
	m := "type=bind,bind-propagation=rprivate,src=" + b.Path
	if b.Volume != "" {
		m = "type=volume,volume-nocopy,src=" + b.Volume
	}
	if m += ",dst=/m"; readOnly {
		m += ",readonly"
	}
	return []string{"--network", "none", "--user", "20001:20001", "--cap-drop", "ALL", "--mount", m}
}

// inside runs a script in a container that has the bind at /m.
func (p *party) inside(t *testing.T, b bound, readOnly bool, script string, flags ...string) (string, error) {
	t.Helper()
	args := append([]string{"run", "--rm"}, p.flags(b, readOnly)...)
	return p.docker(t, append(append(args, flags...), image, "/bin/sh", "-c", script)...)
}

// wantInside wants a script to succeed and to print want.
func (p *party) wantInside(t *testing.T, b bound, readOnly bool, script, want string, flags ...string) {
	t.Helper()
	if got, err := p.inside(t, b, readOnly, script, flags...); err != nil || got != want {
		t.Errorf("inside: %s: prints %q, %v; want %q", script, got, err, want)
	}
}

func readsAndWrites(t *testing.T, p *party) {
	p.write(t, "file", "from the host")
	b := p.mustBind(t, 0, p.src, false)
	p.wantInside(t, b, false, "cat /m/file; echo from the session >/m/new", "from the host")
	wantText(t, filepath.Join(p.src, "new"), "from the session\n")
}

func readOnlyIsHonoured(t *testing.T, p *party) {
	p.write(t, "file", "text")
	b := p.mustBind(t, 0, p.src, true)
	const script = "cat /m/file; (echo x >/m/file) 2>/dev/null || (touch /m/new) 2>/dev/null || echo ' unwritable'"
	p.wantInside(t, b, true, script, "text unwritable")
	// Read-only by the bind alone, whatever the engine is told of the container's mount.
	p.wantInside(t, b, false, script, "text unwritable")
	wantText(t, filepath.Join(p.src, "file"), "text")
	// The source of an unrestricted bind of the same directory is written: it is the bind that refuses.
	p.wantInside(t, bound{Path: p.src}, false, "echo x >/m/file", "")
	wantText(t, filepath.Join(p.src, "file"), "x\n")
}

func mountsBeneathComeAlong(t *testing.T, p *party) {
	p.mountTmpfs(t, filepath.Join(p.src, "sub"))
	p.write(t, "sub/deep", "deep")
	b := p.mustBind(t, 0, p.src, false)
	p.wantInside(t, b, false, "cat /m/sub/deep; echo y >/m/sub/new", "deep")
	wantText(t, filepath.Join(p.src, "sub", "new"), "y\n")
	b, err := p.bind("s", 1, p.open(t, p.src), true)
	if p.volumes {
		// The engine would leave them out without a word; so it is said beforehand.
		if !errs.Is(err, errs.Unsupported) || !strings.Contains(err.Error(), filepath.Join(p.src, "sub")) {
			t.Errorf("read-only gives %+v, %v; want %s and what is mounted there", b, err, errs.Unsupported)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p.wantInside(t, b, true, "cat /m/sub/deep; (echo z >/m/sub/new) 2>/dev/null || echo ' unwritable'", "deep unwritable")
	wantText(t, filepath.Join(p.src, "sub", "new"), "y\n")
}

// setuidGivesNothing puts a setuid program of root's beneath the source. Sessions have no_new_privileges in any case; the
// mounts of root's agentd are nosuid and nodev beside that.
func setuidGivesNothing(t *testing.T, p *party) {
	program := filepath.Join(p.src, "whoami")
	// Not busybox: that gives the rights of a setuid file away by itself.
	body := imagetest.Program(t, "amd64", "package main\nimport \"os\"\nfunc main() { print(os.Geteuid()) }\n")
	if err := os.WriteFile(program, body, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(program, 0, 0), os.Chmod(program, 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	b := p.mustBind(t, 0, p.src, false)
	const script, guard = "/m/whoami", "--security-opt=no-new-privileges"
	p.wantInside(t, b, false, script, "20001", guard)
	// Weakened: the directory itself, without the guard of the container.
	p.wantInside(t, bound{Path: p.src}, false, script, "0")
	if p.volumes {
		return // it has the guard of the container only: the engine's local driver cannot make a bind nosuid
	}
	p.wantInside(t, b, false, script, "20001")
	const options = `awk '$5 == "/m" {print $6}' /proc/self/mountinfo`
	if got, err := p.inside(t, b, false, options); err != nil || !strings.Contains(got, "nosuid,nodev") {
		t.Errorf("the mount has %s, %v; want nosuid and nodev", got, err)
	}
}

func swappedAfterOpening(t *testing.T, p *party) {
	victim := filepath.Join(p.src, "victim")
	p.write(t, "victim/mark", "the opened one")
	p.write(t, "other/mark", "another one")
	handle := p.open(t, victim)
	if err := errors.Join(os.Rename(victim, victim+".moved"), os.Symlink("other", victim)); err != nil {
		t.Fatal(err)
	}
	b, err := p.bind("s", 0, handle, false)
	if err != nil {
		t.Fatal(err)
	}
	// Once more, after the bind: the descriptor of the opener is closed, and the path means nothing.
	if err := errors.Join(os.Remove(victim), os.Rename(filepath.Join(p.src, "other"), victim)); err != nil {
		t.Fatal(err)
	}
	p.wantInside(t, b, false, "cat /m/mark", "the opened one")
	// Weakened: by the path that was looked at.
	p.wantInside(t, bound{Path: victim}, false, "cat /m/mark", "another one")
}

func directoriesAndFiles(t *testing.T, p *party) {
	p.write(t, "file", "a file")
	if err := os.Symlink("file", filepath.Join(p.src, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(p.src, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "link"} {
		if b, err := p.bind("s", 0, p.open(t, filepath.Join(p.src, name)), false); err == nil {
			t.Errorf("a %s is bound: %+v", name, b)
		}
	}
	b, err := p.bind("s", 1, p.open(t, filepath.Join(p.src, "file")), false)
	if p.volumes {
		if !errs.Is(err, errs.Unsupported) || !strings.Contains(err.Error(), "directories only") {
			t.Errorf("a file gives %+v, %v; want %s, said clearly", b, err, errs.Unsupported)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p.wantInside(t, b, false, "cat /m; echo changed >/m", "a file")
	wantText(t, filepath.Join(p.src, "file"), "changed\n")
}

func releaseLeavesNothing(t *testing.T, p *party) {
	p.write(t, "file", "text")
	for index := range 3 {
		p.mustBind(t, index, p.src, index == 1)
	}
	p.mustBind(t, 1, p.src, false) // it replaces the one before
	if _, err := p.bind("t", 0, p.open(t, p.src), false); err != nil {
		t.Fatal(err)
	}
	if got := p.sessions(t); !slices.Equal(got, []string{"s", "t"}) {
		t.Errorf("sessions %v, want s and t", got)
	}
	for range 2 {
		if err := p.release("s"); err != nil {
			t.Error(err)
		}
		if got := p.sessions(t); !slices.Equal(got, []string{"t"}) {
			t.Errorf("sessions %v after the release, want t", got)
		}
	}
	for range 2 {
		if err := p.release("t"); err != nil {
			t.Error(err)
		}
	}
	if err := p.release("never-there"); err != nil {
		t.Error(err)
	}
	wantText(t, filepath.Join(p.src, "file"), "text")
}

// liveBindIsSafe releases while a container uses the bind, then removes what is left of it.
func liveBindIsSafe(t *testing.T, p *party) {
	p.write(t, "keep", "precious")
	b := p.mustBind(t, 0, p.src, false)
	args := append([]string{"run", "-d", "--rm", "--init"}, p.flags(b, false)...)
	id, err := p.docker(t, append(args, image, "/bin/sleep", "600")...)
	if err != nil {
		t.Fatal(id, err)
	}
	err = p.release("s")
	if p.volumes && !errs.Is(err, errs.Conflict) {
		t.Errorf("a volume in use is released: %v, want %s", err, errs.Conflict)
	}
	if !p.volumes && err != nil {
		t.Errorf("a bind in use: %v", err)
	}
	// What the session has, it keeps.
	if got, err := p.docker(t, "exec", id, "cat", "/m/keep"); err != nil || got != "precious" {
		t.Errorf("inside: %q, %v", got, err)
	}
	if out, err := p.docker(t, "rm", "-f", "-v", id); err != nil {
		t.Fatal(out, err)
	}
	if err := p.release("s"); err != nil {
		t.Error(err)
	}
	wantText(t, filepath.Join(p.src, "keep"), "precious")
}

// hostMountsSurvive has the source on a shared mount, as systemd makes them all: what is mounted there, before and during
// the session, must outlast it. An engine that unmounts lazily takes it away, if the bind is not private.
func hostMountsSurvive(t *testing.T, p *party) {
	p.mountTmpfs(t, p.src)
	if err := unix.Mount("", p.src, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	p.mountTmpfs(t, filepath.Join(p.src, "before"))
	p.write(t, "before/keep", "before")
	b := p.mustBind(t, 0, p.src, false)
	args := append([]string{"run", "-d", "--rm", "--init"}, p.flags(b, false)...)
	id, err := p.docker(t, append(args, image, "/bin/sleep", "600")...)
	if err != nil {
		t.Fatal(id, err)
	}
	p.mountTmpfs(t, filepath.Join(p.src, "during"))
	p.write(t, "during/keep", "during")
	if out, err := p.docker(t, "rm", "-f", "-v", id); err != nil {
		t.Fatal(out, err)
	}
	if err := p.release("s"); err != nil {
		t.Error(err)
	}
	wantText(t, filepath.Join(p.src, "before", "keep"), "before")
	wantText(t, filepath.Join(p.src, "during", "keep"), "during")
}
