package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/plan"
	"agentd/internal/resource"
	"agentd/internal/template"
)

// everything is a document with all that reaches a plan.
const everything = `api_version: v1
kind: taskTemplate
metadata: {name: train me, tag: nightly}
spec:
  type: batch
  kernel:
    image: team/app:v1
    architecture: aarch64
    environ: {VERSION: 22.03, EMPTY: "", TEXT: "a: b #c\nsecond"}
    run:
      bootstrap: |
        set -e
        echo "${HOME}: yes"
      startup: "make ${param:TARGET}"
    git: {repository: https://h/team/app, branch: main, commit: abcdef1, destination_dir: /srv/app}
  mounts:
    data: {target: /data, subpath: sub/dir, create: true}
    desk: "home:ro"
    /srv/allowed/x:
  resources: {cpu: "1.5", mem: 300m, shmem: 64m, cuda.device: 2}
x-agentd:
  params: {TARGET: {default: all}}
  git: {submodules: true, depth: 3}
  network: none
  tty: true
  timeout: 90m
  scratch: {keep: 2d}
`

func fullFacts() plan.Facts {
	return plan.Facts{
		Agent:     plan.Agent{ID: "a1", ScalingGroup: "default"},
		Slots:     map[string]int64{"cpu": 8e9, "mem": 8 << 30, "cuda.device": 4},
		Platforms: []string{"amd64", "arm64"},
		VFolders:  map[string]plan.VFolder{"data": {Path: "/state/data"}},
		Policy: plan.Policy{
			Env: map[string]string{"SITE": "here"}, GitSchemes: []string{"https"}, Network: "isolated",
			DefaultCPU: resource.Core, DefaultMemory: resource.GiB, KeepFiles: time.Hour, Pids: 99,
			HostPaths: map[string]plan.HostPath{"desk": {Path: "/srv/desk"}}, Allow: []string{"/srv/allowed"},
		},
	}
}

func resolved(t *testing.T, text string, o plan.Overrides) plan.Resolved {
	t.Helper()
	doc, err := template.ParseOne("t.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	r, err := plan.Resolve(plan.Input{Template: doc.Template, Overrides: o, Facts: fullFacts()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAgain_ResolvesToTheSamePlan(t *testing.T) {
	t.Parallel()
	level, mem, target := "3", "400m", "/elsewhere"
	for name, o := range map[string]plan.Overrides{
		"as written": {},
		"with flags": {
			Name: "mine", Type: "interactive", Env: map[string]*string{"LEVEL": &level, "VERSION": nil},
			Resources: map[string]*string{"mem": &mem, "cuda.device": nil},
			Mounts:    map[string]*string{"desk": &target}, Params: map[string]string{"TARGET": "one"},
		},
		"bare": {NoEnv: true, NoMounts: true, NoResources: true},
	} {
		first := resolved(t, everything, o)
		if name == "as written" && (len(first.Plan.Mounts) != 3 || first.Plan.Checkout == nil) {
			t.Fatalf("the document is not all that it should be: %+v", first.Plan)
		}
		text, err := plan.Document(first.Plan.Again(first.Provenance))
		if err != nil {
			t.Fatal(err)
		}
		second := resolved(t, string(text), plan.Overrides{Name: first.Plan.Name})
		// The notes speak of the words that were written.
		first.Plan.Notes, second.Plan.Notes = nil, nil
		if diff := cmp.Diff(first.Plan, second.Plan); diff != "" {
			t.Errorf("%s (-first +second)\n%s\n%s", name, diff, text)
		}
	}
}
