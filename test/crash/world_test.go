package crash_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentd/internal/checkout/gittest"
	"agentd/internal/client"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
	"agentd/internal/testenv/scratch"
)

// image is what all sessions run; sessions of one template differ in what they do, not in what they are.
const image = "agentd.test/crash:1"

// templateText is the one template of the world; it must come through all of it byte for byte.
const templateText = `# comments and all
api_version: v1
kind: taskTemplate
metadata: {name: crash-job}
spec:
  type: batch
  kernel:
    image: agentd.test/crash:1
    run: {startup_command: "true"}
  resources: {cpu: "0.02", mem: 16m}
`

// cloneText is a template whose sessions begin with a clone.
var cloneText = strings.NewReplacer("crash-job", "crash-clone", "    run:",
	"    git: {repository: \"https://git.example/crash/repo\"}\n    run:").Replace(templateText)

// world is an agentd with an engine, a git host, and a user's files.
type world struct {
	t *testing.T
	// dir holds agentd's files; bin its programs; host is the engine's address.
	dir, bin, host string
	// files is a directory of the user's that sessions mount.
	files    string
	instance string
	client   *client.Client
	// people use it: root, whose client that is, and an ordinary user.
	people []person

	cmd  *exec.Cmd
	done chan error
}

func newWorld(t *testing.T, host string) *world {
	t.Helper()
	testenv.Root(t)
	// A socket's path is short.
	dir, err := os.MkdirTemp("", "agentd-crash-")
	must(t, err)
	t.Cleanup(func() {
		if err := scratch.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chmod(dir, 0o755))
	w := &world{t: t, bin: testenv.Binaries(t), host: host, dir: dir}
	imagetest.Load(t, w.host, image, imagetest.WithBusybox(t, runtime.GOARCH))
	repos := t.TempDir()
	repo := gittest.New(t, repos, "crash/repo")
	repo.Commit("first", map[string]string{"README.md": "one\n", "src/main.c": "int main;\n"})
	git := gittest.Serve(t, repos)
	w.files = filepath.Join(w.dir, "files")
	for i := range 50 {
		name := filepath.Join(w.files, fmt.Sprint("d", i%5), fmt.Sprint("f", i))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(strings.Repeat(fmt.Sprint(i, " "), 100)), 0o644))
	}
	config := fmt.Sprintf(`state_dir: %[1]s/state
runtime_dir: %[1]s/run
socket: {path: %[1]s/run/agentd.sock, mode: "0660", group: "%[2]d"}
engine: {host: "%[3]s", pull_timeout: 1m, stall_timeout: 10s}
sessions: {stop_grace: 1s, leftover_grace: 1s, network: none}
host_paths: {allow: ["%[1]s/files"]}
git: {timeout: 20s, schemes: [https, http], instead_of: {"https://git.example/": "%[4]s/"}}
log: {level: debug}
`, w.dir, ordinary, w.host, git.URL)
	must(t, os.WriteFile(filepath.Join(w.dir, "agentd.yaml"), []byte(config), 0o600))
	w.client = client.New(client.Options{
		Socket: filepath.Join(w.dir, "run", "agentd.sock"), Getenv: func(string) string { return "" },
	})
	t.Cleanup(w.end)
	w.start()
	w.instance = strings.TrimSpace(string(read(t, filepath.Join(w.dir, "state", "instance-id"))))
	w.people = []person{{client: w.client}, {uid: ordinary, client: w.as(ordinary)}}
	for _, p := range w.people {
		for _, text := range []string{templateText, cloneText} {
			_, err = p.client.Create(t.Context(), nil, client.Document{Name: "t.yaml", Text: []byte(text)})
			must(t, err)
		}
	}
	return w
}

// end takes all of it away, whatever became of it.
func (w *world) end() {
	w.kill()
	if w.instance != "" {
		left := w.docker("ps", "-aq", "--no-trunc", "--filter", "label=io.agentd.instance="+w.instance)
		if ids := strings.Fields(left); len(ids) > 0 {
			w.docker(append([]string{"rm", "-f"}, ids...)...)
		}
	}
	if w.t.Failed() {
		var text strings.Builder
		for line := range strings.Lines(string(read(w.t, filepath.Join(w.dir, "agentd.log")))) {
			if !strings.Contains(line, "msg=request") {
				text.WriteString(line)
			}
		}
		w.t.Logf("the end of agentd's log:\n%s", text.String()[max(0, text.Len()-8000):])
	}
}

// start starts agentd and returns when somebody can connect.
func (w *world) start() {
	w.t.Helper()
	w.spawn()
	deadline := time.After(30 * time.Second)
	for {
		conn, err := net.Dial("unix", filepath.Join(w.dir, "run", "agentd.sock"))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case end := <-w.done:
			w.t.Fatalf("agentd ended: %v", end)
		case <-deadline:
			w.t.Fatalf("agentd does not answer: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// spawn starts agentd.
func (w *world) spawn() {
	w.t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, "agentd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(w.t, err)
	defer log.Close()
	cmd := exec.Command(filepath.Join(w.bin, "agentd"), "--config", filepath.Join(w.dir, "agentd.yaml"))
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, done := make(chan error), make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the thread that started the child ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	must(w.t, <-started)
	w.cmd, w.done = cmd, done
}

// kill ends agentd without warning.
func (w *world) kill() {
	if w.cmd == nil {
		return
	}
	w.cmd.Process.Kill() // it may have ended
	<-w.done
	w.cmd = nil
	for _, p := range w.people {
		p.client.Close()
	}
}

// docker asks the engine.
func (w *world) docker(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"-H", w.host}, args...)...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("docker %v: %w: %s", args, err, exit.Stderr)
	}
	return string(out), err
}

// shortDir is a directory for sockets, whose paths are short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}
