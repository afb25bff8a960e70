package engine_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/imagetest"
	"agentd/internal/layout"
	"agentd/internal/testenv"
)

// loaded puts an image into the engine and returns it.
func loaded(t *testing.T, host string, img imagetest.Image) engine.Image {
	t.Helper()
	ref := "agentd-test/real:" + unique()
	imagetest.Load(t, host, ref, img)
	found, err := connect(t, host).Image(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// probeProgram builds imageprobe where everyone can run it.
func probeProgram(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agentd-probe-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "imageprobe")
	cmd := exec.CommandContext(t.Context(), testenv.Tool(t, "go"), "build", "-o", out, "agentd/internal/imageprobe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

const helloProgram = "package main\nfunc main() { println(\"hello\") }\n"

func TestProbe_WhatAnImageHas(t *testing.T) {
	host := testenv.Engine(t).Host
	program, e := probeProgram(t), connect(t, host)
	etc := imagetest.Etc()
	shell := func(body []byte) imagetest.Image {
		return imagetest.Image{Layers: [][]imagetest.File{etc, {{Name: "bin/sh", Mode: 0o755, Body: body}}}}
	}
	// Not arm64: the tests of other architectures register an emulator for it.
	const foreign = "mips64le"
	cases := map[string]struct {
		image imagetest.Image
		want  engine.Program
		text  string
	}{
		"busybox":       {imagetest.WithBusybox(t, "amd64"), engine.Program{Present: true, Runs: true}, ""},
		"no shell":      {imagetest.Image{Layers: [][]imagetest.File{etc}}, engine.Program{}, ""},
		"another arch":  {shell(imagetest.Program(t, foreign, helloProgram)), engine.Program{Present: true, Errno: "ENOEXEC"}, "exec format error"},
		"no loader":     {shell([]byte("#!/nothing/here\n")), engine.Program{Present: true, Errno: "ENOENT"}, "loader or interpreter"},
		"no permission": {imagetest.Image{Layers: [][]imagetest.File{etc, {{Name: "bin/sh", Mode: 0o600, Body: []byte("x")}}}}, engine.Program{Present: true, Errno: "EACCES"}, "permission denied"},
		"fails":         {shell(imagetest.Program(t, "amd64", "package main\nimport \"os\"\nfunc main() { println(\"no\"); os.Exit(3) }\n")), engine.Program{Present: true}, "exit status 3: no"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := "probe-" + unique()
			got, err := e.Probe(t.Context(), loaded(t, host, c.image), program, engine.ProbeName(), engine.Labels{Instance: instance})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(got.Passwd), "root:x:0:0") || !strings.HasPrefix(string(got.Group), "root:x:0:") {
				t.Errorf("passwd %q, group %q", got.Passwd, got.Group)
			}
			if !strings.Contains(got.Shell.Error, c.text) || (got.Shell.Error == "") != (c.text == "") {
				t.Errorf("error %q, want %q in it", got.Shell.Error, c.text)
			}
			got.Shell.Error = ""
			if got.Shell != c.want {
				t.Errorf("shell %+v, want %+v", got.Shell, c.want)
			}
			left, err := e.ListOurs(t.Context(), instance)
			if err != nil || len(left) > 0 {
				t.Errorf("left: %+v, %v", left, err)
			}
		})
	}
}

// realSpec runs the script in a container of its own that goes with the test.
func realSpec(t *testing.T, e *engine.Engine, img engine.Image, script string) engine.Spec {
	t.Helper()
	session := unique()
	s := engine.Spec{
		Name: layout.ContainerName(session), Image: img, Network: engine.NetworkNone, User: "1000:1000", Hostname: session,
		Labels:     engine.Labels{Instance: "real-" + session, Session: session, Nonce: "n"},
		Entrypoint: []string{"/bin/sh", "-c", script},
		Limits:     engine.Limits{MemoryBytes: 64 << 20, Pids: 32},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Remove(ctx, s.Name); err != nil {
			t.Error(err)
		}
	})
	return s
}

// output runs the container to its end and returns what it said.
func output(t *testing.T, e *engine.Engine, s engine.Spec) string {
	t.Helper()
	if _, err := e.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := e.Output(t.Context(), s.Name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(stdout) + string(stderr)
}

// A hostile image: what it sets is not there, and its setuid program gives nothing.
func TestCreate_HostileImage(t *testing.T) {
	host := testenv.Engine(t).Host
	e := connect(t, host)
	img := imagetest.WithBusybox(t, "amd64")
	img.Env = append(img.Env, "GODEBUG=evil", "LD_PRELOAD=/evil.so")
	img.User, img.WorkingDir, img.StopSignal = "root", "/proc/self/fd/7", "SIGKILL"
	img.Entrypoint, img.Healthcheck = []string{"/evil"}, []string{"CMD", "/evil"}
	img.Labels = map[string]string{"io.agentd.session": "stolen", "io.agentd.nonce": "guess", "traefik.enable": "true"}
	img.Layers = append(img.Layers, []imagetest.File{imagetest.Setuid(t)})
	found := loaded(t, host, img)
	s := realSpec(t, e, found, "env; id; pwd; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; /bin/rootbox id; "+
		"ip link 2>/dev/null; echo done")
	text := output(t, e, s)
	lines := strings.Split(text, "\n")
	for _, want := range []string{
		"PATH=/bin", "uid=1000 gid=1000", "/", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
		"Seccomp:\t2", "HOSTNAME=" + s.Hostname, "done",
	} {
		if !slices.Contains(lines, want) && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"evil", "uid=0", "euid=0"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is in\n%s", not, text)
		}
	}
	c, err := e.Inspect(t.Context(), s.Name)
	if err != nil || c.Labels != s.Labels {
		t.Errorf("labels %+v, %v, want %+v", c.Labels, err, s.Labels)
	}
	// Without our labels it is on nobody's list but its own, and proves nothing.
	bare := realSpec(t, e, found, "true")
	bare.Image.Config.Labels, bare.Labels = nil, engine.Labels{}
	if _, err := e.Create(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	if c, err = e.Inspect(t.Context(), bare.Name); err != nil || s.Labels.Prove(c.Name, c.Labels) {
		t.Errorf("the image proves itself ours: %+v, %v", c.Labels, err)
	}
}

// A command that is not there leaves the container created, and says why.
func TestStart_BadCommand(t *testing.T) {
	host := testenv.Engine(t).Host
	e := connect(t, host)
	s := realSpec(t, e, loaded(t, host, imagetest.WithBusybox(t, "amd64")), "")
	s.Entrypoint = []string{"/nothing"}
	if _, err := e.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	err := e.Start(t.Context(), s.Name)
	if err == nil || !strings.Contains(err.Error(), "/nothing") {
		t.Errorf("got %v", err)
	}
	c, err := e.Inspect(t.Context(), s.Name)
	if exit := engine.Judge(c, engine.Witness{}); err != nil || exit.Outcome != engine.OutcomeNotStarted || exit.Error == "" {
		t.Errorf("judged %+v of %+v, %v", exit, c, err)
	}
}

// A read-only volume on a directory that is held open, whose path is somebody else's by now.
func TestCreateVolume_BindsWhatIsOpen(t *testing.T) {
	testenv.Root(t)
	host := testenv.Engine(t).Host
	e := connect(t, host)
	top, err := os.MkdirTemp("", "agentd-volume-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"mine", "theirs"} {
		if err := os.MkdirAll(filepath.Join(top, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name, "file"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open, err := os.Open(filepath.Join(top, "mine"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close() //nolint:errcheck // nothing was written
	device := "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(open.Fd()))
	s := realSpec(t, e, loaded(t, host, imagetest.WithBusybox(t, "amd64")), "cat /v/file; touch /v/new && echo wrote")
	s.Mounts = []engine.Mount{{Kind: engine.MountVolume, Source: "agentd-test-" + unique(), Target: "/v", ReadOnly: true}}
	if err := e.CreateVolume(t.Context(), s.Mounts[0].Source, device, true, s.Labels); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(top, "mine"), filepath.Join(top, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(top, "theirs"), filepath.Join(top, "mine")); err != nil {
		t.Fatal(err)
	}
	if text := output(t, e, s); !strings.HasPrefix(text, "mine") || strings.Contains(text, "wrote") {
		t.Errorf("said %q", text)
	}
	if err := e.RemoveVolume(t.Context(), s.Mounts[0].Source); !errs.Is(err, errs.Conflict) {
		t.Errorf("removal of a volume in use: %v", err)
	}
	if err := e.Remove(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if err := e.RemoveVolume(t.Context(), s.Mounts[0].Source); err != nil {
		t.Error(err)
	}
}

// Nothing of a call stays: no descriptor, no goroutine.
func TestEngine_LeaksNothing(t *testing.T) {
	host := testenv.Engine(t).Host
	e := connect(t, host)
	img := loaded(t, host, imagetest.WithBusybox(t, "amd64"))
	round := func() {
		s := realSpec(t, e, img, "echo hello; exit 3")
		ctx, cancel := context.WithCancel(t.Context())
		watching := make(chan error, 1)
		go func() { watching <- e.Watch(ctx, s.Labels.Instance, func(engine.Event) {}) }()
		output(t, e, s)
		waiting, stop := context.WithCancel(t.Context())
		long := realSpec(t, e, img, "sleep 60")
		if _, err := e.Create(ctx, long); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(ctx, long.Name); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, stop)
		if _, err := e.Wait(waiting, long.Name); !errs.Is(err, errs.Canceled) {
			t.Errorf("wait: %v", err)
		}
		for _, name := range []string{s.Name, long.Name} {
			if err := e.Remove(ctx, name); err != nil {
				t.Error(err)
			}
		}
		cancel()
		<-watching
	}
	round()
	fds, goroutines := settled(t, 0, 0)
	for range 5 {
		round()
	}
	if nowFDs, nowGoroutines := settled(t, fds, goroutines); nowFDs > fds || nowGoroutines > goroutines {
		t.Errorf("descriptors %d, were %d; goroutines %d, were %d", nowFDs, fds, nowGoroutines, goroutines)
	}
}

// settled counts descriptors and goroutines, after those that are about to end have had a while to.
func settled(t *testing.T, fds, goroutines int) (int, int) {
	t.Helper()
	for try := 0; ; try++ {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if n, g := len(entries), runtime.NumGoroutine(); try == 100 || (n <= fds && g <= goroutines) {
			return n, g
		}
		time.Sleep(10 * time.Millisecond)
	}
}
