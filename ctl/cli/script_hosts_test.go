package cli_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"agentd/internal/checkout/gittest"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// hosts are the hosts that only some stories need: they are the same for all of them.
type hosts struct {
	t     *testing.T
	world *world
	tls   *gittest.Server
	ssh   *gittest.SSHServer
	// agent is the socket of an SSH agent, in a directory that only root can enter.
	agent string
	// sub is the tip of main of team/app.
	sub string
	// slow is a registry whose layers take two seconds.
	slow *imagetest.Registry
}

func newHosts(t *testing.T, w *world) *hosts {
	t.Helper()
	h := &hosts{t: t, world: w, slow: imagetest.Serve(t, w.engine.Listen(t))}
	h.slow.Push(t, "team/slow:v1", imagetest.WithBusybox(t, "amd64"))
	h.slow.SetFault(imagetest.SlowLayer(100 * time.Millisecond))
	for _, tag := range []string{"native-first", "foreign-first", "refused"} {
		w.registry.Push(t, "team/two:"+tag, imagetest.WithBusybox(t, "amd64"), imagetest.Foreign(t, "arm64"))
	}
	for _, tag := range []string{"missing", "always", "never"} {
		w.registry.Push(t, "team/policy:"+tag, imagetest.WithBusybox(t, "amd64"))
	}
	w.login.Push(t, "team/helper:v1", imagetest.WithBusybox(t, "amd64"))
	h.repositories(t)
	return h
}

// repositories are team/lib, a submodule of team/app, and team/service, which asks for a login.
func (h *hosts) repositories(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	lib := gittest.New(t, dir, "team/lib")
	lib.Commit("first", map[string]string{"lib.txt": "library\n"})
	app := gittest.New(t, dir, "team/app")
	app.Commit("first", map[string]string{"README.md": "tagged\n"})
	app.Sh("git tag -a -m release v1.0")
	app.Sh("git submodule --quiet add ../lib.git lib")
	h.sub = app.Commit("with a submodule", map[string]string{"README.md": "tip\n"})
	service := gittest.New(t, dir, "team/service")
	service.Commit("first", map[string]string{"main.go": "package main\n"})
	h.tls, h.ssh = gittest.ServeTLS(t, dir), gittest.ServeSSH(t, dir)
	h.agent = gittest.ServeAgent(t, h.ssh.ClientKey)
	h.tls.Wrap(func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			if strings.HasPrefix(r.URL.Path, "/team/service") && (user != "oauth2" || password != "t0ken") {
				out.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(out, "no", http.StatusUnauthorized)
				return
			}
			git.ServeHTTP(out, r)
		})
	})
}

// setup gives a script the addresses, the examples of configs/templates, and alice's own agent.
func (h *hosts) setup(env *testscript.Env) error {
	env.Setenv("GIT", h.world.git.URL)
	env.Setenv("TLS", h.tls.URL)
	env.Setenv("SSH", h.ssh.Address)
	env.Setenv("SLOW", h.slow.Host())
	env.Setenv("SUB", h.sub)
	env.Setenv("SHORT", h.sub[:10])
	env.Setenv("ENGINE", h.world.engine.Host)
	// An agent's socket is its user's: anybody who can connect can log in.
	agent := filepath.Join(env.WorkDir, "agent.sock")
	if err := hop(env, agent, h.agent, int(users()[0].uid)); err != nil {
		return err
	}
	env.Setenv("AGENT", agent)
	if at, ok := strings.CutPrefix(h.world.engine.Host, "unix://"); ok {
		mine := filepath.Join(env.WorkDir, "engine.sock")
		if err := hop(env, mine, at, int(users()[0].uid)); err != nil {
			return err
		}
		env.Setenv("ENGINE", "unix://"+mine)
	}
	for name, text := range map[string]string{
		"ca.pem": string(h.tls.CA), "known_hosts": h.ssh.KnownHosts(), "id": string(h.ssh.ClientKey),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.CopyFS(filepath.Join(env.WorkDir, "templates"), os.DirFS(filepath.Join("..", "..", "configs", "templates")))
}

// hop listens on a socket that only one user may open, and carries what comes to another one.
func hop(env *testscript.Env, at, to string, uid int) error {
	l, err := net.Listen("unix", at)
	if err != nil {
		return err
	}
	env.Defer(func() { l.Close() })
	if err := os.Chmod(at, 0o600); err != nil {
		return err
	}
	if err := os.Chown(at, uid, uid); err != nil {
		return err
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go carry(in, to)
		}
	}()
	return nil
}

// carry copies both ways, and passes the end of each on.
func carry(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("unix", to)
	if err != nil {
		return
	}
	defer out.Close()
	back := make(chan struct{})
	go func() {
		io.Copy(in, out) // who hangs up does not want it
		in.(*net.UnixConn).CloseWrite()
		close(back)
	}()
	io.Copy(out, in) // likewise
	out.(*net.UnixConn).CloseWrite()
	<-back
}

// startAs makes cmd the agentd of an ordinary user: it finds configuration, state and socket where his environment says.
func startAs(ts *testscript.TestScript, cmd *exec.Cmd, name string) error {
	at := slices.IndexFunc(users(), func(u storyUser) bool { return u.name == name })
	if at < 0 {
		return fmt.Errorf("no user %q in the stories", name)
	}
	u, home := users()[at], filepath.Join(ts.Getenv("WORK"), "home", name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.uid}}
	cmd.Args = cmd.Args[:1]
	cmd.Dir = home
	cmd.Env = append(cmd.Env[:1], cmd.Env[2], "HOME="+home, "USER="+name,
		"XDG_RUNTIME_DIR="+ts.Getenv("XDG_RUNTIME_DIR"), "DOCKER_HOST="+ts.Getenv("DOCKER_HOST"))
	ts.Setenv("STATE", filepath.Join(home, ".local", "state", "agentd"))
	return os.Chmod(ts.Getenv("WORK"), 0o755)
}

// stateDir is where the script's agentd keeps its state.
func stateDir(ts *testscript.TestScript) string {
	if dir := ts.Getenv("STATE"); dir != "" {
		return dir
	}
	return filepath.Join(ts.Getenv("WORK"), "state")
}

// registries are those of the world.
func (h *hosts) registries() []*imagetest.Registry {
	return []*imagetest.Registry{h.world.registry, h.world.login, h.slow}
}

// fetched checks how often the layers of a repository were got.
func (h *hosts) fetched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: fetched REPOSITORY COUNT...")
	}
	var got []string
	for _, r := range h.registries() {
		for _, n := range r.Fetched(args[0]) {
			got = append(got, strconv.Itoa(n))
		}
	}
	if !slices.Equal(got, args[1:]) {
		ts.Fatalf("the layers of %s were fetched %v times, want %v", args[0], got, args[1:])
	}
}

// asked checks how often an engine resolved a tag.
func (h *hosts) asked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: asked REPOSITORY:TAG COUNT")
	}
	got := 0
	for _, r := range h.registries() {
		got += r.Asked(args[0])
	}
	if strconv.Itoa(got) != args[1] {
		ts.Fatalf("the registry was asked %d times for %s, want %s", got, args[0], args[1])
	}
}

// docker is what anybody else does with the same engine.
func (h *hosts) docker(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("docker", append([]string{"-H", h.world.engine.Host}, args...)...)
	if (err == nil) == neg {
		ts.Fatalf("docker %v: %v", args, err)
	}
}

// image gives the engine an image of that name with programs of the script in it, in place of one that cannot be had
// here. Who has that name already gets it back.
func (h *hosts) image(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: image NAME PROGRAM..., image NAME arm64")
	}
	name, host := args[0], h.world.engine.Host
	if slices.Contains(imagetest.Names(h.t, host), name) {
		id, err := exec.Command("docker", "-H", host, "image", "inspect", "-f", "{{.Id}}", name).Output()
		ts.Check(err)
		h.t.Cleanup(func() {
			exec.Command("docker", "-H", host, "tag", strings.TrimSpace(string(id)), name).Run() // what it was before
		})
	}
	img := imagetest.WithBusybox(h.t, "amd64")
	if slices.Equal(args[1:], []string{"arm64"}) {
		imagetest.Load(h.t, host, name, imagetest.Foreign(h.t, "arm64"))
		return
	}
	for _, program := range args[1:] {
		img.Layers[0] = append(img.Layers[0], imagetest.File{
			Name: "bin/" + program, Mode: 0o755, Body: []byte(ts.ReadFile(program)),
		})
	}
	imagetest.Load(h.t, host, name, img)
}

// condition says what this machine can do.
func (h *hosts) condition(cond string) (bool, error) {
	if cond != "emulates-arm64" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	return testenv.Emulates(), nil
}

// TestSessionScripts_TellTheOtherArchitecture fails where the emulator is required: without it, the scripts tell half.
func TestSessionScripts_TellTheOtherArchitecture(t *testing.T) { testenv.Emulator(t) }

// TestTemplates_EachHasAStory fails for an example in configs/templates that no story launches from its own text.
func TestTemplates_EachHasAStory(t *testing.T) {
	dir := filepath.Join(testenv.ModuleRoot(t), "configs", "templates")
	examples, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples in %s: %v", dir, err)
	}
	for _, path := range examples {
		name := filepath.Base(path)
		story := filepath.Join("testdata", "session", "templates_"+strings.TrimSuffix(name, ".yaml")+".txtar")
		text, err := os.ReadFile(story)
		if err != nil {
			t.Errorf("configs/templates/%s: no story launches it: %v", name, err)
			continue
		}
		for _, line := range []string{"sesstpl create -f templates/" + name + "\n", "session create-from-template "} {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s does not say %q", story, line)
			}
		}
	}
}
