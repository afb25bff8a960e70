package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// user is one of the people at the socket.
type user struct {
	name   string
	uid    uint32
	groups []uint32
}

const (
	// socketGroup may use the socket; adminGroup sees everybody's.
	socketGroup, adminGroup = 20090, 20091
)

var (
	root    = user{name: "root"}
	alice   = user{name: "alice", uid: 20011, groups: []uint32{socketGroup}}
	mallory = user{name: "mallory", uid: 20012, groups: []uint32{socketGroup}}
	admin   = user{name: "admin", uid: 20013, groups: []uint32{socketGroup, adminGroup}}
)

func (u user) credential() *syscall.Credential {
	return &syscall.Credential{Uid: u.uid, Gid: u.uid, Groups: u.groups}
}

// world is root's agentd over a real engine, with its users.
type world struct {
	t      *testing.T
	engine *testenv.DockerEngine
	dir    string
	bin    string
	agentd *exec.Cmd
	done   chan struct{}
	// image is what sessions run, when the attack is not the image. It goes when the test ends, so each has its own.
	image string
	// env is added to the environment of every ctl.
	env []string
}

// newWorld starts agentd, beside those of other tests: each has an instance, users' files and a socket of
// its own. more is appended to its configuration.
func newWorld(t *testing.T, more ...string) *world {
	t.Helper()
	t.Parallel()
	engine := testenv.Engine(t)
	testenv.Root(t)
	testenv.Tool(t, "docker")
	w := &world{t: t, engine: engine, dir: testenv.Dir(t), bin: testenv.Binaries(t)}
	w.image = "agentd-test/attack:" + strings.ToLower(rand.Text()[:12])
	imagetest.Load(t, engine.Host, w.image, imagetest.WithBusybox(t, "amd64"))
	must(t, os.Chmod(w.dir, 0o755))
	must(t, os.Mkdir(w.path("home"), 0o755))
	for _, u := range []user{alice, mallory, admin, root} {
		must(t, os.MkdirAll(w.home(u), 0o700))
		must(t, os.Chown(w.home(u), int(u.uid), int(u.uid)))
	}
	w.configure(more...)
	w.start()
	return w
}

func (w *world) configure(more ...string) {
	text := fmt.Sprintf(`agent: {id: attack}
state_dir: %[1]s/state
runtime_dir: %[1]s/run
socket: {path: %[1]s/run/agentd.sock, group: "%[2]d", mode: "0660", admin_group: "%[3]d"}
log: {level: debug}
`, w.dir, socketGroup, adminGroup)
	for i, section := range more {
		more[i] = strings.Replace(section, "engine: {", fmt.Sprintf("engine: {host: %q, ", w.engine.Host), 1)
	}
	for _, section := range []string{
		fmt.Sprintf("engine: {host: %q}", w.engine.Host),
		"sessions: {stop_grace: 1s, pids: 64, log_max: 1m, defaults: {cpu: \"0.1\", mem: 64m}}",
		fmt.Sprintf("host_paths: {allow: [%s/home/alice, %s/home/mallory]}", w.dir, w.dir),
	} {
		key, _, _ := strings.Cut(section, ":")
		if !slices.ContainsFunc(more, func(s string) bool { return strings.HasPrefix(s, key+":") }) {
			more = append(more, section)
		}
	}
	must(w.t, os.WriteFile(w.path("agentd.yaml"), []byte(text+strings.Join(more, "\n")+"\n"), 0o600))
}

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}
func (w *world) home(u user) string { return w.path("home", u.name) }
func (w *world) socket() string     { return w.path("run", "agentd.sock") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs agentd until the end of the test, and waits until it says that it is ready.
func (w *world) start() {
	w.t.Helper()
	notify := w.path("notify")
	os.Remove(notify)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	must(w.t, err)
	defer conn.Close()
	log, err := os.OpenFile(w.path("agentd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(w.t, err)
	defer log.Close()
	cmd := exec.Command(filepath.Join(w.bin, "agentd"), "--config", w.path("agentd.yaml"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "NOTIFY_SOCKET=" + notify}
	cmd.Stderr = log
	must(w.t, cmd.Start())
	done := make(chan struct{})
	w.agentd, w.done = cmd, done
	go func() { cmd.Wait(); close(done) }()
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("agentd's log ends with\n%s", w.logTail())
		}
		w.endSessions()
		w.stop()
	})
	must(w.t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			w.t.Fatalf("agentd is not ready: %v\n%s", err, w.logTail())
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return
		}
	}
}

func (w *world) stop() {
	w.agentd.Process.Signal(syscall.SIGTERM)
	<-w.done
}

// endSessions ends what the test left running.
func (w *world) endSessions() {
	select {
	case <-w.done:
		return // it was stopped, and its successor does this
	default:
	}
	// Not the test's context, which has ended.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list := w.command(ctx, root, "session", "ls", "--all-users", "-q")
	out, _ := list.Output()
	for id := range strings.FieldsSeq(string(out)) {
		w.command(ctx, root, "session", "terminate", "--force", id).Run()
		w.command(ctx, root, "session", "wait", id).Run()
	}
}

func (w *world) log() string {
	text, err := os.ReadFile(w.path("agentd.log"))
	must(w.t, err)
	return string(text)
}

func (w *world) logTail() string {
	text := w.log()
	return text[max(0, len(text)-3000):]
}

// command is ctl as a user.
func (w *world) command(ctx context.Context, u user, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "ctl"), args...)
	cmd.Dir = w.home(u)
	cmd.Env = append([]string{"PATH=" + w.bin + ":" + os.Getenv("PATH"), "HOME=" + w.home(u), "AGENTD_SOCKET=" + w.socket()}, w.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential()}
	return cmd
}

// ctl runs ctl and returns all that it printed, and its exit status.
func (w *world) ctl(u user, args ...string) (string, int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := w.command(ctx, u, args...)
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		w.t.Fatal(err)
	}
	if ctx.Err() != nil {
		w.t.Errorf("ctl %v did not end in a minute", args)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// mustCtl wants success.
func (w *world) mustCtl(u user, args ...string) string {
	w.t.Helper()
	out, status := w.ctl(u, args...)
	if status != 0 {
		w.t.Fatalf("ctl %v as %s ended with %d: %s", args, u.name, status, out)
	}
	return strings.TrimSpace(out)
}

// file writes a file of the user's in his home.
func (w *world) file(u user, name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.home(u), name)
	must(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(w.t, os.WriteFile(path, []byte(text), 0o644))
	for p := path; p != w.home(u); p = filepath.Dir(p) {
		must(w.t, os.Lchown(p, int(u.uid), int(u.uid)))
	}
	return path
}

// template creates a template called name; spec is what stands below spec in addition to the kernel's image.
func (w *world) template(u user, name, img, spec string) {
	w.t.Helper()
	text := fmt.Sprintf("api_version: v1\nkind: taskTemplate\nmetadata: {name: %s}\nspec:\n  kernel:\n    image: %s\n%s", name, img, spec)
	w.mustCtl(u, "sesstpl", "apply", "-f", w.file(u, name+".yaml", text))
}

// docker runs the engine's own command line.
func (w *world) docker(args ...string) (string, error) {
	out, err := exec.CommandContext(w.t.Context(), "docker", append([]string{"-H", w.engine.Host}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) mustDocker(args ...string) string {
	w.t.Helper()
	out, err := w.docker(args...)
	if err != nil {
		w.t.Fatalf("docker %v: %v: %s", args, err, out)
	}
	return out
}

func (w *world) instance() string {
	text, err := os.ReadFile(w.path("state", "instance-id"))
	must(w.t, err)
	return strings.TrimSpace(string(text))
}

// play starts the test binary in a role, as a user, and waits for its first line.
func play(t *testing.T, u user, role string, args ...string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = []string{roleEnv + "=" + role}
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential()}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%s: %v", role, err)
	}
}

// daemonFails starts agentd, which should not start, and returns what it says and its exit status.
func (w *world) daemonFails() (string, int) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "agentd"), "--config", w.path("agentd.yaml"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}
