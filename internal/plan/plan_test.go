package plan_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/resource"
	"agentd/internal/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// facts are those of a machine of two cores and 8 GiB, for a caller with one vfolder.
func facts() plan.Facts {
	return plan.Facts{
		Agent:  plan.Agent{ID: "box", ScalingGroup: "default"},
		Caller: plan.Caller{User: plan.User{UID: 1000, GID: 1000}, Name: "alice", Home: "/home/alice"},
		Policy: plan.Policy{
			PullPolicy: "missing", Network: "isolated", BootstrapTimeout: 30 * time.Minute, StopGrace: 10 * time.Second,
			KeepFiles: 720 * time.Hour, LogMaxBytes: 50 << 20, Pids: 4096,
			DefaultCPU: resource.Core, DefaultMemory: 2 * resource.GiB,
			Env:        map[string]string{"AGENT": "yes", "BOTH": "agent"},
			HostPaths:  map[string]plan.HostPath{"hostpath-test": {Path: "/srv/desktop", ReadOnly: true}},
			Allow:      []string{"~"},
			GitSchemes: []string{"https", "ssh"},
			InsteadOf: map[string]string{
				"https://github.com/": "https://mirror/", "https://github.com/secret/": "https://vault/",
			},
		},
		VFolders:  map[string]plan.VFolder{"test-vfloder": {Path: "/var/lib/agentd/users/1000/vfolders/test-vfloder"}},
		Slots:     map[string]int64{"cpu": 2e9, "mem": 8 << 30, "cuda.device": 0},
		Platforms: []string{"amd64", "arm64"},
	}
}

func input(t *testing.T, text string) plan.Input {
	t.Helper()
	doc, err := template.ParseOne("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ref := plan.TemplateRef{ID: "bcdfghjk", Name: doc.Template.Metadata.Name, Revision: 3, Owner: 1000}
	return plan.Input{Ref: ref, Template: doc.Template, Facts: facts()}
}

// Each testdata/NAME.yaml, with the overrides in NAME.overrides.json if there are any, gives NAME.plan.json.
func TestResolve_Golden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d templates (%v)", len(files), err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".yaml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := input(t, string(text))
			if raw, err := os.ReadFile(base + ".overrides.json"); err == nil {
				if err := json.Unmarshal(raw, &in.Overrides); err != nil {
					t.Fatal(err)
				}
			}
			got, err := plan.Resolve(in)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.MarshalIndent(got, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			raw = append(raw, '\n')
			golden := base + ".plan.json"
			if *update {
				if err := os.WriteFile(golden, raw, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(raw)); diff != "" {
				t.Errorf("plan differs (-want +got):\n%s", diff)
			}
		})
	}
}

const base = `
api_version: v1
kind: taskTemplate
metadata: {name: base}
spec:
  kernel:
    image: busybox
    environ: {A: a, B: b}
`

func TestResolve_Deterministic(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/overridden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, string(text))
	first, err := plan.Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := plan.Resolve(in)
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Fatalf("the same input gave another plan (%v): %s", err, cmp.Diff(first, again))
		}
	}
}

func TestResolve_UnsetIsNotEmptyIsNotNull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]*string
		none bool
		want string
	}{
		{"unset", nil, false, "A=a B=b"},
		{"empty", map[string]*string{"A": new("")}, false, "A= B=b"},
		{"null", map[string]*string{"A": nil}, false, "B=b"},
		{"other", map[string]*string{"C": new("c")}, false, "A=a B=b C=c"},
		{"dropped", nil, true, ""},
		{"dropped and set", map[string]*string{"C": new("c")}, true, "C=c"},
	} {
		in := input(t, base)
		in.Facts.Policy.Env = nil
		in.Overrides.Env, in.Overrides.NoEnv = c.env, c.none
		got, err := plan.Resolve(in)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, v := range got.Plan.Env {
			list = append(list, v.Name+"="+v.Value)
		}
		if s := strings.Join(list, " "); s != c.want {
			t.Errorf("%s: environment is %q, want %q", c.name, s, c.want)
		}
	}
}

func TestEnvironment_OursAboveAll(t *testing.T) {
	t.Parallel()
	p := plan.Plan{Name: "mine", Env: []plan.Variable{
		{Name: "HOME", Value: "/root"}, {Name: "PATH", Value: "/opt/bin"}, {Name: "X", Value: "template\nline"},
		{Name: "BACKENDAI_SESSION_ID", Value: "forged"},
	}}
	env := map[string]string{}
	for _, v := range p.Environment([]string{"X=image", "Y=image", "odd"}, plan.Identity{SessionID: "s1"}) {
		env[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"HOME": "/home/work", "PATH": "/home/work/.local/bin:/opt/bin", "X": "template\nline", "Y": "image",
		"BACKENDAI_SESSION_ID": "s1", "BACKENDAI_SESSION_NAME": "mine", "USER": "work",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
}

// What is wrong or refused, and the words for it.
func TestResolve_Refusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*plan.Input)
		code   errs.Code
		want   string
	}{
		{"scaling group", func(in *plan.Input) { in.Overrides.ScalingGroup = new("gpu") }, errs.Unsupported,
			`template "base" wants scaling group "gpu"; this agent, box, is in "default"`},
		{"agent list", func(in *plan.Input) { in.Template.Spec.AgentList = []string{"other"} }, errs.Unsupported,
			`template "base" is for the agents other; this one is box`},
		{"name", func(in *plan.Input) { in.Overrides.Name = "-x" }, errs.Invalid, `name: "-x" is not a session name`},
		{"image", func(in *plan.Input) { in.Overrides.Image = "UPPER" }, errs.Invalid, `image.reference: "UPPER" is not an image`},
		{"architecture", func(in *plan.Input) { in.Overrides.Architecture = "ppc64le" }, errs.Unsupported,
			`architecture ppc64le: this host runs amd64, arm64 and has no emulator for it`},
		{"too much", func(in *plan.Input) { in.Overrides.Resources = map[string]*string{"cpu": new("64")} }, errs.Unsupported,
			`template "base" needs 64 cpu; this agent has 2 to give in all`},
		{"unknown slot", func(in *plan.Input) { in.Overrides.Resources = map[string]*string{"tpu": new("1")} }, errs.Unsupported,
			`resource slot "tpu" is unknown on this agent; it has cpu, cuda.device, mem, shmem`},
		{"bare bytes", func(in *plan.Input) { in.Overrides.Resources = map[string]*string{"mem": new("320")} }, errs.Invalid,
			`320m`},
		{"no vfolder", func(in *plan.Input) { in.Overrides.Mounts = map[string]*string{"data": new("")} }, errs.NotFound,
			`mount "data": there is no vfolder and no named host path "data"`},
		{"host path", func(in *plan.Input) { in.Overrides.Mounts = map[string]*string{"/etc": new("/data")} }, errs.Forbidden,
			`mount "/etc": host paths may lie under ~ only`},
		{"neighbour", func(in *plan.Input) { in.Overrides.Mounts = map[string]*string{"/home/alice2": new("/d")} }, errs.Forbidden,
			`mount "/home/alice2": host paths may lie under ~ only`},
		{"dots", func(in *plan.Input) { in.Overrides.Mounts = map[string]*string{"test-vfloder/../..": new("/d")} }, errs.Invalid,
			`leads out of it`},
		{"reserved", func(in *plan.Input) { in.Overrides.Mounts = map[string]*string{"test-vfloder": new("/etc")} }, errs.Invalid,
			`/etc`},
		{"nested", func(in *plan.Input) {
			in.Overrides.Mounts = map[string]*string{"test-vfloder": new("/data"), "hostpath-test": new("/data/x")}
		}, errs.Invalid, `the target /data/x lies in the target /data`},
		{"batch", func(in *plan.Input) { in.Overrides.Type = "batch" }, errs.Invalid, `a batch session needs a startup command`},
		{"no git", func(in *plan.Input) { in.Overrides.GitBranch = new("x") }, errs.Invalid, `need a spec.kernel.git`},
		{"param", func(in *plan.Input) { in.Overrides.Params = map[string]string{"x": "1"} }, errs.Invalid, `no such parameter`},
		{"shm", func(in *plan.Input) { in.Overrides.Resources = map[string]*string{"shmem": new("4g")} }, errs.Invalid,
			`shared memory counts as memory`},
	} {
		in := input(t, base)
		c.change(&in)
		_, err := plan.Resolve(in)
		if errs.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (code %q), want code %q and %q", c.name, err, errs.CodeOf(err), c.code, c.want)
		}
	}
}

func TestResolve_TellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	in := input(t, base)
	in.Overrides = plan.Overrides{Name: "-", Image: "UPPER", Timeout: new("soon")}
	_, err := plan.Resolve(in)
	for _, path := range []string{"name:", "image.reference:", "steps.timeout:"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v does not tell of %s", err, path)
		}
	}
}

func TestSessionName_IsValid(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "template1234", "日本語", "--x--", "a b/c", strings.Repeat("x", 128), "", "....", "a-.-b"} {
		if got := plan.SessionName(name); plan.CheckSessionName(got) != nil || len(got) > 56 {
			t.Errorf("SessionName(%q) = %q: %v", name, got, plan.CheckSessionName(got))
		}
	}
}

func TestScheme(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://h/r": "https", "SSH://h/r": "ssh", "git@h:r": "ssh", "/srv/r": "file", "file:///srv/r": "file",
	} {
		if got := plan.Scheme(url); got != want {
			t.Errorf("Scheme(%q) = %q, want %q", url, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("name", "busybox", "test-vfloder", "/data", "1", "4g", "main", "abc1")
	f.Fuzz(func(t *testing.T, name, image, key, target, cpu, mem, branch, commit string) {
		in := input(t, base)
		in.Template.Spec.Kernel.Git = &template.Git{Repository: "https://h/r"}
		in.Overrides = plan.Overrides{
			Name: name, Image: image, Mounts: map[string]*string{key: &target},
			Resources: map[string]*string{"cpu": &cpu, "mem": &mem}, GitBranch: &branch, GitCommit: &commit,
		}
		got, err := plan.Resolve(in)
		if err != nil {
			if errs.CodeOf(err) == errs.Internal {
				t.Errorf("an internal error: %v", err)
			}
			return
		}
		for _, m := range got.Plan.Mounts {
			if !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) != m.Target || !strings.HasPrefix(m.Source, m.Root) {
				t.Errorf("mount %+v is not clean", m)
			}
		}
		if l := got.Plan.Limits; l.NanoCPUs <= 0 || l.MemoryBytes <= 0 {
			t.Errorf("limits are %+v", l)
		}
	})
}
