package template

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
)

// sample is what the sample of the documentation says.
func sample() Template {
	return Template{
		APIVersion: "v1", Kind: "taskTemplate",
		Metadata: Metadata{Name: "template1234", Tag: "example-tag"},
		Spec: Spec{
			Type: Interactive,
			Kernel: Kernel{
				Image: "cr.backend.ai/multiarch/python:3.9-ubuntu20.04", Architecture: "x86_64",
				Environ: []Variable{{Name: "MYCONFIG", Value: "XXX"}},
				Git: &Git{
					Repository: "https://github.com/lablup/backend.ai", Branch: "22.03",
					Commit: "e59bd61a196a74eb158f9fbcbccd37e1c48dcb55", DestinationDir: "/home/work/bai",
				},
			},
			Mounts:    []Mount{{Key: "hostpath-test", Target: "/home/work/hostDesktop"}, {Key: "test-vfloder"}},
			Resources: []Resource{{Slot: "cpu", Amount: "2"}, {Slot: "mem", Amount: "4g"}},
		},
	}
}

func full() Template {
	one, ten := "0.1", "10"
	return Template{
		APIVersion: "v1", Kind: "task_template", Metadata: Metadata{Name: "full", Tag: "22.03"},
		Spec: Spec{
			Type: Batch,
			Kernel: Kernel{
				Image:        "registry.example.com:5000/team/tool@sha256:" + strings.Repeat("0123456789abcdef", 4),
				Architecture: "aarch64",
				Environ: []Variable{
					{"A", "22.03"}, {"B", "true"}, {"C", ""}, {"D", "two\nlines"}, {"E", "0x10"}, {"F", "1e3"}, {"G", "2001-01-01"},
					{"H", "<<"}, {"I", "~"},
				},
				Run: Run{Bootstrap: "pip install -r requirements.txt\necho \"${PATH}\"\n", Startup: "python train.py"},
				Git: &Git{
					Repository: "ssh://git@example.com:2222/a/b.git", Branch: "22.03", Commit: "12345678",
					Credential: &Credential{Username: "me", Password: "${env:GIT_TOKEN}"}, DestinationDir: "src/b",
				},
			},
			ScalingGroup: "default",
			Mounts: []Mount{
				{Key: "data"}, {Key: "data2/sub", Target: "/data"}, {Key: "/srv/shared", Target: "shared", ReadOnly: true},
				{Key: "models", Target: "/opt/models", ReadOnly: true, Subpath: "llm/7b"}, {Key: "read", ReadOnly: true},
				{Key: ".logs", Target: "logs"},
			},
			Resources: []Resource{
				{"cpu", "0.5"}, {"mem", "320m"}, {"shmem", "64 MiB"}, {"cuda.device", "1"}, {"nvidia.com/gpu", "1"},
			},
			AgentList: []string{"this-one", "7"},
		},
		Extension: Extension{
			Description: "A description of\ntwo lines.\n",
			Labels:      map[string]string{"team": "vision", "app.kubernetes.io/name": "x", "empty": ""},
			Params: []Param{
				{Name: "MODEL"}, {Name: "LEARNING_RATE", Default: &one}, {Name: "EPOCHS", Description: "how many", Default: &ten},
			},
			Git: ExtensionGit{Submodules: true, Depth: 5}, Network: NetworkNone,
			Retry: &Retry{Max: 3, On: []string{"oom", "lost", "137"}}, Timeout: 90 * time.Minute,
			Scratch: Scratch{Keep: 14 * 24 * time.Hour},
		},
	}
}

// second and third spell every field that has several names in the other ways.
func second() Template {
	return Template{
		APIVersion: "v1", Kind: "taskTemplate", Metadata: Metadata{Name: "second"},
		Spec: Spec{
			Type: Batch,
			Kernel: Kernel{
				Image: "a", Architecture: "x86_64", Run: Run{Startup: "b"},
				Git: &Git{Repository: "git@example.com:a/b", DestinationDir: "/home/work/c"},
			},
			ScalingGroup: "d", AgentList: []string{"e"},
		},
		Extension: Extension{Retry: &Retry{Max: 2}, Timeout: 90 * time.Second, TTY: true, Network: NetworkIsolated},
	}
}

func third() Template {
	ref := "main"
	return Template{
		APIVersion: "v1", Kind: "taskTemplate", Metadata: Metadata{Name: "third"},
		Spec: Spec{
			Type: Interactive,
			Kernel: Kernel{
				Image: "a", Architecture: "x86_64", Run: Run{Startup: "b"},
				Git: &Git{Repository: "https://example.com/${param:ORG}/b", Branch: "${param:REF}", DestinationDir: "c"},
			},
		},
		Extension: Extension{Params: []Param{{Name: "ORG"}, {Name: "REF", Default: &ref}}},
	}
}

// plain is the template of the files testdata/valid/shape-*.
func plain(name string) Template {
	return Template{
		APIVersion: "v1", Kind: "taskTemplate", Metadata: Metadata{Name: name},
		Spec: Spec{Type: Interactive, Kernel: Kernel{Image: "python:3.12", Architecture: "x86_64"}},
	}
}

func TestParse_Documents(t *testing.T) {
	a := plain("THREE")
	a.Spec.Kernel.Image = "a"
	crlf := plain("NAME")
	crlf.Spec.Kernel.Run.Bootstrap = "a\nb\n"
	merged := plain("anchors")
	merged.Metadata.Tag = "anchors"
	merged.Spec.Kernel.Environ = []Variable{{"B", "other"}, {"A", "one"}, {"C", "three"}}
	merged.Spec.Kernel.Git = &Git{
		Repository: "http://example.com/a", Credential: &Credential{Username: "u", Password: "literal"},
	}
	escapes := plain("😀 é")
	escapes.Spec.Kernel.Environ = []Variable{{"A", "/\u2028"}, {"N", "1.50"}, {"B", "true"}, {"E", ""}}
	for _, row := range []struct {
		path string
		want []Template
	}{
		{"sample.yaml", []Template{sample()}},
		{"valid/full.yaml", []Template{full()}},
		{"valid/spellings-second.yaml", []Template{second()}},
		{"valid/spellings-third.yaml", []Template{third()}},
		{"valid/shape-bare.yaml", []Template{plain("NAME")}},
		{"valid/shape-template.yaml", []Template{plain("NAME")}},
		{"valid/shape-list.yaml", []Template{plain("NAME")}},
		{"valid/shape-wrapper.yaml", []Template{plain("NAME")}},
		{"valid/shape-bare.json", []Template{plain("NAME")}},
		{"valid/shape-template.json", []Template{plain("NAME")}},
		{"valid/shape-list.json", []Template{plain("NAME")}},
		{"valid/shape-wrapper.json", []Template{plain("NAME")}},
		{"valid/shape-stream.yaml", []Template{plain("NAME"), plain("TWO")}},
		{"valid/shape-stream.json", []Template{plain("NAME"), plain("TWO"), plain("THREE")}},
		{"valid/shape-stream-mixed.yaml", []Template{plain("NAME"), a, plain("TWO")}},
		{"valid/list-of-three.yaml", []Template{plain("NAME"), plain("TWO"), plain("THREE")}},
		{"valid/bom.yaml", []Template{plain("NAME")}},
		{"valid/bom.json", []Template{plain("NAME")}},
		{"valid/crlf.yaml", []Template{crlf}},
		{"valid/anchors.yaml", []Template{merged}},
		{"valid/json-escapes.json", []Template{escapes}},
	} {
		docs, err := Parse(row.path, readFile(t, filepath.Join("testdata", row.path)))
		if err != nil {
			t.Errorf("Parse: %v", err)
			continue
		}
		var got []Template
		for _, d := range docs {
			got = append(got, d.Template)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.path, diff)
		}
	}
}

// A single template keeps its text byte for byte; each of several keeps its own lines, or at least says the same alone.
func TestParse_TextIsVerbatim(t *testing.T) {
	for _, path := range validFiles(t) {
		text := readFile(t, path)
		docs, err := Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		if len(docs) == 1 && string(docs[0].Text) != string(text) {
			t.Errorf("%s: the text of the only template is %q", path, docs[0].Text)
		}
		for i, d := range docs {
			again, err := ParseOne(path, d.Text)
			if err != nil {
				t.Errorf("%s, template %d: %v\n%s", path, i, err, d.Text)
			} else if diff := cmp.Diff(d.Template, again.Template); diff != "" {
				t.Errorf("%s, template %d says another thing alone (-with the others +alone):\n%s", path, i, diff)
			}
		}
	}
}

func TestParse_TextOfSeveral(t *testing.T) {
	bare := "api_version: v1\nkind: taskTemplate\nmetadata:\n  name: %s\nspec:\n  kernel:\n    image: python:3.12\n"
	item := func(name string) string {
		lines := strings.SplitAfter(fmt.Sprintf(bare, name), "\n")
		return "    " + strings.Join(lines[:len(lines)-1], "    ")
	}
	for path, want := range map[string][]string{
		"shape-stream.yaml": {"%YAML 1.1\n---\n" + fmt.Sprintf(bare, "NAME"), "# between\n--- # two\n" + fmt.Sprintf(bare, "TWO")},
		"list-of-three.yaml": {
			"# one\n- template: &one\n" + item("NAME"),
			"# two\n# more\n- template:\n" + item("TWO") + "    <<: {x-a: 1}\n",
			// The anchor of the first one is gone: it is written anew.
			fmt.Sprintf("metadata:\n  name: %s\napi_version: v1\nkind: taskTemplate\nspec:\n  kernel:\n    image: python:3.12\n", "THREE"),
		},
		"shape-stream.json": {
			"{\"api_version\": \"v1\", \"kind\": \"taskTemplate\", \"metadata\": {\"name\": \"NAME\"}, " +
				"\"spec\": {\"kernel\": {\"image\": \"python:3.12\"}}}\n",
			"{\"api_version\": \"v1\", \"kind\": \"taskTemplate\", \"metadata\": {\"name\": \"TWO\"}, " +
				"\"spec\": {\"kernel\": {\"image\": \"python:3.12\"}}}\n",
			"{\"api_version\": \"v1\", \"kind\": \"taskTemplate\", \"metadata\": {\"name\": \"THREE\"}, " +
				"\"spec\": {\"kernel\": {\"image\": \"python:3.12\"}}}\n",
		},
	} {
		docs, err := Parse(path, readFile(t, filepath.Join("testdata/valid", path)))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range docs {
			got = append(got, string(d.Text))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestParse_Warnings(t *testing.T) {
	d, err := ParseOne("w.yaml", readFile(t, "testdata/valid/warnings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`w.yaml:1:14: api_version: is "v6", not v1: read as v1`,
		"w.yaml:8:15: spec.kernel.environ.HOME: is set by the agent: this value is not used",
		"w.yaml:8:25: spec.kernel.environ.BACKENDAI_A: is set by the agent: this value is not used",
		"w.yaml:9:23: spec.kernel.git.repository: git repositories work only where the agent's config lists git in git.schemes",
		"w.yaml:10:1: x-agent: is ignored; did you mean x-agentd?",
		"w.yaml:11:19: x-agentd.retry: means nothing for an interactive session: only a batch session is tried again",
	}
	if diff := cmp.Diff(want, asLines(d.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestParse_LineOfEachDocument(t *testing.T) {
	docs, err := Parse("", readFile(t, "testdata/valid/shape-stream.yaml"))
	if err != nil || len(docs) != 2 || docs[0].Line != 3 || docs[1].Line != 13 {
		t.Errorf("Parse = %+v, %v; want two templates, at the lines 3 and 13", docs, err)
	}
}

func TestParseOne_SaysHowMany(t *testing.T) {
	_, err := ParseOne("", readFile(t, "testdata/valid/shape-stream.yaml"))
	if err == nil || err.Error() != "wants exactly one template, and here are 2" || !errs.Is(err, errs.Invalid) {
		t.Errorf("ParseOne of two = %v", err)
	}
}

func TestParse_ListsAtMostAHundredProblems(t *testing.T) {
	var b strings.Builder
	b.WriteString("kind: taskTemplate\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "unknown%d: 1\n", i)
	}
	problems := problemsOf(t, []byte(b.String()))
	_, err := Parse("", []byte(b.String()))
	if want := "not a valid session template: 5003 problems, of which these are 100"; len(problems) != 100 ||
		!strings.HasPrefix(err.Error(), want+"\n") {
		t.Errorf("Parse lists %d problems and says %.80q; want %q", len(problems), err, want)
	}
}

func ExampleParse() {
	src := "- template: {api_version: v1, kind: taskTemplate, metadata: {name: a/b}, spec: {kernal: {}}}\n"
	_, err := Parse("job.yaml", []byte(src))
	fmt.Println(err)
	// Output:
	// not a valid session template: 3 problems
	//   job.yaml:1:68: metadata.name: the name "a/b" has a '/', which no name can have
	//   job.yaml:1:74: spec.kernel: required: a map
	//   job.yaml:1:81: spec.kernal: unknown key; did you mean kernel?
}

func ExampleNormalizeArchitecture() {
	for _, s := range []string{"x86_64", "linux/arm64", "armv7l"} {
		oci, err := NormalizeArchitecture(s)
		fmt.Println(oci, err)
	}
	// Output:
	// amd64 <nil>
	// arm64 <nil>
	// arm/v7 <nil>
}

func TestNormalizeArchitecture_NamesAreUnique(t *testing.T) {
	for _, names := range architectures() {
		for _, name := range names {
			for _, s := range []string{name, strings.ToUpper(name), "linux/" + name} {
				if oci, err := NormalizeArchitecture(s); oci != names[0] || err != nil {
					t.Errorf("NormalizeArchitecture(%q) = %q, %v; want %q", s, oci, err, names[0])
				}
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src, err := os.ReadFile("testdata/sample.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("sample.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}
