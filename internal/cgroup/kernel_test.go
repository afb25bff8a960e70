package cgroup

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"

	"agentd/internal/errs"
	"agentd/internal/testenv"
)

// parent makes a group of the kernel's, with limits, that goes with the test.
func parent(t *testing.T, l Limits) *Group {
	t.Helper()
	testenv.Root(t)
	h, err := Open()
	if err != nil {
		t.Skip(err)
	}
	g, err := h.Cap(Parent(DriverCgroupfs, "agentd-test-"+strings.ToLower(rand.Text()[:8])), l)
	if errs.Is(err, errs.Forbidden) {
		t.Skipf("the groups of this machine cannot be changed: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
		if err := g.Remove(); err != nil {
			t.Errorf("twice: %v", err)
		}
		if _, err := g.InForce(); !errs.Is(err, errs.NotFound) {
			t.Errorf("after the removal: %v, want not_found", err)
		}
	})
	return g
}

// inside runs a shell script in the group, for a minute at most, and returns it and what it says.
func inside(t *testing.T, g *Group, script string) (*exec.Cmd, io.Reader) {
	t.Helper()
	enter := ""
	for _, controller := range controllers() {
		enter += "echo $$ > " + g.file(controller, "cgroup.procs") + " && "
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", enter+script)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, said
}

func TestKernel_CapIsInForce(t *testing.T) {
	asked := Limits{NanoCPUs: 1_250_000_000, MemoryBytes: 256 << 20, Pids: 77}
	g := parent(t, asked)
	for range 2 {
		got, err := g.InForce()
		if err != nil {
			t.Fatal(err)
		}
		got.SwapBytes = 0
		if got != asked {
			t.Errorf("in force %+v, want %+v", got, asked)
		}
		asked.MemoryBytes, asked.Pids = 512<<20, 88
		if _, err := g.host.Cap(g.Path(), asked); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKernel_GroupOfAProcess(t *testing.T) {
	g := parent(t, Limits{})
	cmd, said := inside(t, g, "echo in; exec sleep 60")
	// Its word comes after it went in.
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "in\n" {
		t.Fatalf("said %q, %v", line, err)
	}
	id := filepath.Base(g.Path())
	found, err := g.host.Of(cmd.Process.Pid, id)
	if err != nil {
		t.Fatal(err)
	}
	if found.Path() != g.Path() {
		t.Errorf("path %q, want %q", found.Path(), g.Path())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if _, err := g.host.Of(cmd.Process.Pid, id); !errs.Is(err, errs.NotFound) {
		t.Errorf("after its end: %v", err)
	}
}

func TestKernel_OOMIsToldByEvent(t *testing.T) {
	g := parent(t, Limits{MemoryBytes: 32 << 20})
	kills := make(chan int64, 100)
	done := make(chan error, 1)
	go func() { done <- g.WatchOOM(t.Context(), func(n int64) { kills <- n }) }()
	// Only a child dies; the shell, which the engine would look at, ends well.
	cmd, _ := inside(t, g, "(echo 1000 > /proc/self/oom_score_adj; tail /dev/zero) || true")
	select {
	case n := <-kills:
		if n != 1 {
			t.Errorf("told of %d, want 1", n)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the shell: %v", err)
	}
	u, err := g.Usage()
	if err != nil || u.OOMKills != 1 || u.MemoryPeakBytes < 16<<20 || u.CPU == 0 {
		t.Errorf("use %+v, %v", u, err)
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("after the group's end: %v", err)
	}
}

func TestKernel_RemoveOfAGroupInUse(t *testing.T) {
	g := parent(t, Limits{})
	child := filepath.Join(g.file(cgroup1.Memory, ""), "child")
	if err := os.Mkdir(child, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); !errs.Is(err, errs.Conflict) {
		t.Errorf("got %v, want conflict", err)
	}
	if err := os.Remove(child); err != nil {
		t.Fatal(err)
	}
}
