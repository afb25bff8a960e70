package cli_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"agentd/ctl/cli"
	"agentd/internal/checkout/gittest"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// sampleImage is the image of the documented sample.
const sampleImage = "cr.backend.ai/multiarch/python:3.9-ubuntu20.04"

// world is what the stories of sessions have beside a socket: an engine with the sample's image, a registry, a git host.
type world struct {
	engine   *testenv.DockerEngine
	registry *imagetest.Registry
	login    *imagetest.Registry
	git      *gittest.Server
	hosts    *hosts
	// stall is a registry that sends half of a layer, and then nothing.
	stall *imagetest.Registry
	// commits are the tips of the branches 22.03 and main of the sample's repository.
	commit, tip string
	// kept is the commit before the tip of main of the repository team/kept.
	kept string
}

// TestSessionScripts tells the stories of sessions over a real engine. They are run by root: alice and bob are two users
// of root's agentd. Beside the words of [TestScripts] there are
//
//	interrupt PATTERN USER STATUS COMMAND...     run as a user; ctrl-C when PATTERN has appeared on its standard error; it
//	                                             must end with STATUS
//	nothing-left                                 no session, container, mount or directory of the script's agentd is left
//	agentd start USER                            that user's own agentd: his configuration, his state, an engine that he may
//	                                             talk to; the state is where nothing-left looks from then on
//	fetched REPOSITORY COUNT...                  how often an engine got each layer of it from $REGISTRY or $LOGIN
//	asked REPOSITORY:TAG COUNT                   how often an engine asked what it is
//	git-asked REPOSITORY REFS PACKS              how often $GIT was asked for its branches, and for objects
//	docker ARG...                                the engine's own command
//	image NAME PROGRAM...                        an image of that name, with those files of the script in /bin; or arm64
//	[emulates-arm64]                             condition: this machine runs programs for arm64 by qemu
//	$TLS, $SSH, $AGENT                           git hosts, and an agent with a key for the second; ca.pem is the
//	                                             authority of the first one, known_hosts has the key of the other
//	$SUB, $SHORT                                 of team/app there: the tip of its branch main, in full and abbreviated
//	count before|after                           compares what there is of the script's agentd: containers, volumes,
//	                                             networks, mounts, directories, child processes
//	$STALL                                       a registry that sends half of a layer, and then nothing
//	$REGISTRY, $LOGIN                            registries: the second one wants alice and sesame
//	$CPUS, $QUARTER                              how many cores there are, and a fourth of them
//	$JOBS                                        how many jobs are many: 40, or AGENTD_JOBS
//	$LARGE                                       how many bytes are much: 256 MB, or 1 GB with AGENTD_TEST_LARGE=1
//	$KEPT                                        of team/kept on $GIT: the commit before the tip of main
//	$COMMIT, $TIP                                of the sample's repository: of the branch 22.03, and of main
func TestSessionScripts(t *testing.T) {
	engine := testenv.Engine(t)
	testenv.Root(t)
	bin := testenv.Binaries(t)
	w := newWorld(t, engine)
	root := t.TempDir()
	passable(t, root)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "session"),
		WorkdirRoot:         root,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *cli.Update,
		Setup: func(env *testscript.Env) error {
			if err := setup(env, bin); err != nil {
				return err
			}
			return w.setup(env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"agentd":       agentd,
			"capture":      capture,
			"same":         same,
			"interrupt":    interrupt,
			"nothing-left": w.nothingLeft,
			"count":        w.count,
			"fetched":      w.hosts.fetched,
			"asked":        w.hosts.asked,
			"git-asked":    w.gitAsked,
			"docker":       w.hosts.docker,
			"image":        w.hosts.image,
		},
		Condition: w.hosts.condition,
	})
}

func newWorld(t *testing.T, engine *testenv.DockerEngine) *world {
	t.Helper()
	w := &world{engine: engine}
	busybox := imagetest.WithBusybox(t, "amd64")
	imagetest.Load(t, engine.Host, sampleImage, busybox)
	w.registry, w.login = imagetest.Serve(t, engine.Listen(t)), imagetest.Serve(t, engine.Listen(t))
	w.registry.Push(t, "team/app:v1", busybox)
	w.login.Push(t, "team/private:v1", busybox)
	w.login.Push(t, "team/private:refused", busybox)
	w.login.RequireLogin("alice", "sesame")

	dir := t.TempDir()
	repo := gittest.New(t, dir, "lablup/backend.ai")
	repo.Commit("first", map[string]string{"README.md": "one\n"})
	repo.Sh("git checkout -q -b 22.03")
	w.commit = repo.Commit("the release", map[string]string{"README.md": "two\n", "bin/tool": "#!/bin/sh\n"})
	repo.Commit("after the release", map[string]string{"README.md": "three\n"})
	repo.Sh("git checkout -q main")
	w.tip = repo.Commit("on main", map[string]string{"README.md": "main\n"})
	secret := gittest.New(t, dir, "team/secret")
	secret.Commit("first", map[string]string{"README.md": "secret\n"})
	kept := gittest.New(t, dir, "team/kept")
	w.kept = kept.Commit("first", map[string]string{"README.md": "one\n"})
	kept.Commit("second", map[string]string{"README.md": "two\n"})
	w.git = gittest.Serve(t, dir)
	w.git.Wrap(func(git http.Handler) http.Handler {
		git = hanging(git)
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			if strings.HasPrefix(r.URL.Path, "/team/secret") && (user != "alice" || password != "hunter2") {
				out.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(out, "no", http.StatusUnauthorized)
				return
			}
			git.ServeHTTP(out, r)
		})
	})
	w.hosts = newHosts(t, w)
	w.serveFaults(t)
	return w
}

// setup adds the world to a script.
func (w *world) setup(env *testscript.Env) error {
	env.Setenv("REGISTRY", w.registry.Host())
	env.Setenv("STALL", w.stall.Host())
	env.Setenv("LOGIN", w.login.Host())
	env.Setenv("COMMIT", w.commit)
	env.Setenv("TIP", w.tip)
	env.Setenv("KEPT", w.kept)
	if err := w.hosts.setup(env); err != nil {
		return err
	}
	env.Setenv("CPUS", strconv.Itoa(runtime.NumCPU()))
	env.Setenv("QUARTER", strconv.FormatFloat(float64(runtime.NumCPU())/4, 'f', -1, 64))
	large := 256_000_000
	if os.Getenv("AGENTD_TEST_LARGE") == "1" {
		large = 1_000_000_000
	}
	env.Setenv("LARGE", strconv.Itoa(large))
	env.Setenv("JOBS", cmp.Or(os.Getenv("AGENTD_JOBS"), "40"))
	text := fmt.Sprintf(`agent: {id: story, scaling_group: default}
state_dir: %[1]s/state
runtime_dir: %[1]s/run
socket: {path: %[1]s/run/agentd.sock, group: "%[2]d", mode: "0660"}
engine: {host: "%[3]s", pull_timeout: 1m, stall_timeout: 10s}
sessions: {stop_grace: 2s, bootstrap_timeout: 20s, defaults: {cpu: "0.2", mem: 64m}}
host_paths: {named: {hostpath-test: {path: %[1]s/desktop}}}
git:
  timeout: 20s
  ca_file: %[1]s/ca.pem
  instead_of: {"https://github.com/": "%[4]s/", "https://git.example.com/": "%[5]s/"}
log: {level: debug}
`, env.WorkDir, socketGroup, w.engine.Host, w.git.URL, w.hosts.tls.URL)
	desktop := filepath.Join(env.WorkDir, "desktop")
	if err := os.Mkdir(desktop, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(desktop, 0o1777|os.ModeSticky); err != nil {
		return err
	}
	if err := copyDocs(env); err != nil {
		return err
	}
	env.Defer(func() { w.sweep(env.WorkDir, env.Getenv("STATE")) })
	return os.WriteFile(filepath.Join(env.WorkDir, "agentd.yaml"), []byte(text), 0o644)
}

// sweep takes away what a script leaves: its agentd's network, which there is but a small number of, and what a failed one
// left mounted, before its directory is removed.
func (w *world) sweep(work, state string) {
	state = cmp.Or(state, filepath.Join(work, "state"))
	if id, err := os.ReadFile(filepath.Join(state, "instance-id")); err == nil && len(id) >= 8 {
		exec.Command("docker", "-H", w.engine.Host, "network", "rm", "agentd-"+string(id[:8])).Run() // there may be none
	}
	for _, at := range mounts(work) {
		syscall.Unmount(at, syscall.MNT_DETACH) // it may be gone already
	}
}

// mounts lists the mountpoints below dir, the last one first.
func mounts(dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			found = append([]string{fields[4]}, found...)
		}
	}
	return found
}

// interrupt runs a command and presses ctrl-C once it has said something.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: interrupt PATTERN USER STATUS COMMAND...")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	cmd := exec.Command(lookPath(ts, args[3]), args[4:]...)
	for _, u := range users() {
		if u.name == args[1] {
			cred := &syscall.Credential{Uid: u.uid, Gid: u.uid}
			for _, g := range u.groups {
				cred.Groups = append(cred.Groups, uint32(g))
			}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		}
	}
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{
		"PATH=" + ts.Getenv("PATH"), "AGENTD_SOCKET=" + ts.Getenv("AGENTD_SOCKET"),
		"HOME=" + filepath.Join(ts.Getenv("WORK"), "home", args[1]),
	}
	cmd.Stdout = ts.Stdout()
	said, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	var all strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		if pattern != nil && pattern.MatchString(lines.Text()) {
			pattern = nil
			ts.Check(cmd.Process.Signal(syscall.SIGINT))
		}
	}
	io.WriteString(ts.Stderr(), all.String())
	cmd.Wait() // its status is asked for below
	if pattern != nil {
		ts.Fatalf("it never said %s", args[0])
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		ts.Fatalf("it ended with %d, want %d", got, status)
	}
}

// nothingLeft checks that the sessions are gone with all that was made for them.
func (w *world) nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nothing-left")
	}
	work := ts.Getenv("WORK")
	state := stateDir(ts)
	instance := strings.TrimSpace(ts.ReadFile(filepath.Join(state, "instance-id")))
	cmd := exec.Command("docker", "-H", w.engine.Host, "ps", "-aq", "--filter", "label=io.agentd.instance="+instance)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		ts.Fatalf("containers are left: %s %v", out, err)
	}
	for _, at := range mounts(work) {
		// The directory that holds the mounts is one itself.
		if at != filepath.Join(work, "run", "mnt") {
			ts.Fatalf("a mount is left: %s", at)
		}
	}
	for _, pattern := range []string{"users/*/sessions/*", "users/*/scratch/*"} {
		left, err := filepath.Glob(filepath.Join(state, pattern))
		ts.Check(err)
		if len(left) > 0 {
			ts.Fatalf("files are left: %v", left)
		}
	}
}
