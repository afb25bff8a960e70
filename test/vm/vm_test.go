package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"agentd/internal/testenv"
)

// limit is for a busy machine; alone it takes half of that.
const limit = 18 * time.Minute

// TestVM_Package boots one machine and prints what was checked in it.
func TestVM_Package(t *testing.T) {
	testenv.VM(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begin := time.Now()
	image := payload(ctx, t)
	var log bytes.Buffer
	d, err := openDisk(ctx, &log)
	if err != nil {
		t.Fatalf("make the machine's disk: %v\n%s", err, log.String())
	}
	fmt.Printf("vm: the packages and the disk are ready (%s)\n", time.Since(begin).Round(time.Second))
	var console bytes.Buffer
	checked := 0
	ended, used, err := boot(ctx, d, image, &console, func(r result) {
		checked++
		word := "ok  "
		if !r.ok {
			word = "FAIL"
			t.Errorf("%s: %s", r.name, r.text)
		}
		fmt.Printf("vm: %s %-18s %s\n", word, r.name, r.text)
	})
	if err != nil {
		t.Error(err)
	}
	if !ended || checked == 0 {
		t.Errorf("the machine did not come to its end: %d things were checked", checked)
	}
	fmt.Printf("vm: %d things checked in %s, with %s of processor time in the machine\n",
		checked, time.Since(begin).Round(time.Second), used.Round(time.Second))
	if t.Failed() {
		t.Logf("the console:\n%s", console.String())
	}
}

// payload makes the second disk: the program of the checks, the package in two versions, and the page that tells the
// figure of the unit's exposure.
func payload(ctx context.Context, t *testing.T) string {
	t.Helper()
	root, dir := testenv.ModuleRoot(t), t.TempDir()
	tree := filepath.Join(dir, "tree")
	mkdeb := filepath.Join(dir, "mkdeb")
	build := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	for _, which := range []string{"old", "new"} {
		if err := os.MkdirAll(filepath.Join(tree, which), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build("go", "build", "-o", mkdeb, "./test/mkdeb")
	build(mkdeb, "-compress", "none", "-version", "v0.0.1", "-out", filepath.Join(tree, "old"))
	build(mkdeb, "-compress", "none", "-version", "v0.0.2", "-out", filepath.Join(tree, "new"))
	build("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(tree, "run"), "./test/vm/guest")
	page, err := os.ReadFile(filepath.Join(root, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "install.md"), page, 0o644); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "payload.img")
	var log bytes.Buffer
	if err := makeImage(ctx, &log, image, "payload", tree, 256<<20); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return image
}

func TestParse_OnlyTheGuestsLines(t *testing.T) {
	for line, want := range map[string]result{
		"vm: ok restart: 3 sessions ran on: all (4s)": {true, "restart", "3 sessions ran on: all (4s)"},
		"vm: FAIL reload: no":                         {false, "reload", "no"},
	} {
		if got, ok := parse(line); !ok || got != want {
			t.Errorf("%s: %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "vm: end after 3s", "[ 3.1] vm: ok x: y", "ok restart"} {
		if got, ok := parse(line); ok {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
