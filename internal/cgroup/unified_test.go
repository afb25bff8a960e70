package cgroup

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
)

// unified is a machine with version 2, made of plain files: what the kernel does with them is for the test in the VM.
func unified(t *testing.T) *Host {
	t.Helper()
	dir := t.TempDir()
	root, proc := filepath.Join(dir, "fs"), filepath.Join(dir, "proc")
	write(t, filepath.Join(proc, "self/mountinfo"),
		"22 27 0:20 / /proc rw - proc proc rw\n30 23 0:26 / "+root+" rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n")
	write(t, filepath.Join(root, "cgroup.subtree_control"), "")
	h, err := open(proc)
	if err != nil {
		t.Fatal(err)
	}
	if h.Version() != 2 || h.root != root {
		t.Fatalf("got %+v", h)
	}
	return h
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// change puts a text of the same length in place of what is there: the kernel's files are never empty for a moment.
func change(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// container makes the group of a container of process 42, as the systemd driver does.
func container(t *testing.T, h *Host, files map[string]string) *Group {
	t.Helper()
	const path = "/agentd.slice/docker-0123abcd.scope"
	write(t, filepath.Join(h.proc, "42/cgroup"), "0::"+path+"\n")
	for name, text := range files {
		write(t, filepath.Join(h.root, path, name), text)
	}
	g, err := h.Of(42, "0123abcd")
	if err != nil {
		t.Fatal(err)
	}
	if g.Path() != path {
		t.Fatalf("path %q, want %q", g.Path(), path)
	}
	return g
}

func TestUnified_InForce(t *testing.T) {
	h := unified(t)
	g := container(t, h, map[string]string{
		"memory.max": "33554432\n", "memory.swap.max": "0\n", "memory.stat": "anon 1\n", "pids.max": "64\n",
		"cpu.max": "150000 100000\n",
	})
	got, err := g.InForce()
	if err != nil {
		t.Fatal(err)
	}
	want := Limits{NanoCPUs: 1_500_000_000, MemoryBytes: 32 << 20, Pids: 64}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := Differences(Limits{NanoCPUs: 1_500_000_000, MemoryBytes: 32 << 20, Pids: 64}, got); len(d) > 0 {
		t.Errorf("differences: %v", d)
	}
	unlimited := container(t, h, map[string]string{
		"memory.max": "max\n", "memory.swap.max": "max\n", "memory.stat": "", "pids.max": "max\n", "cpu.max": "max 100000\n",
	})
	got, err = unlimited.InForce()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Limits{SwapBytes: -1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnified_UsageAndPressure(t *testing.T) {
	h := unified(t)
	const pressure = "some avg10=%s avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	g := container(t, h, map[string]string{
		"memory.current": "5000\n", "memory.peak": "9000\n", "memory.stat": "inactive_file 1000\n", "pids.current": "3\n",
		"memory.events": "low 0\noom 2\noom_kill 1\n", "cpu.stat": "usage_usec 1500000\nthrottled_usec 250\n",
		"cpu.pressure": strings.ReplaceAll(pressure, "%s", "12.50"), "memory.pressure": strings.ReplaceAll(pressure, "%s", "0.75"),
	})
	got, err := g.Usage()
	if err != nil {
		t.Fatal(err)
	}
	want := Usage{
		CPU: 1_500_000_000, Throttled: 250_000, MemoryBytes: 4000, MemoryPeakBytes: 9000, Pids: 3, OOMKills: 1,
		Pressure: &Pressure{CPU: 12.5, Memory: 0.75},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnified_WatchOOM(t *testing.T) {
	h := unified(t)
	g := container(t, h, map[string]string{
		"memory.events": "oom_kill 1\n", "cgroup.events": "populated 1\n", "memory.stat": "", "cpu.stat": "",
	})
	dir := filepath.Join(h.root, g.Path())
	kills := make(chan int64, 10)
	done := make(chan error, 1)
	go func() { done <- g.WatchOOM(t.Context(), func(n int64) { kills <- n }) }()
	if n := <-kills; n != 1 {
		t.Errorf("of before: %d, want 1", n)
	}
	change(t, filepath.Join(dir, "memory.events"), "oom_kill 3\n")
	if n := <-kills; n != 3 {
		t.Errorf("told %d, want 3", n)
	}
	if err := os.Remove(filepath.Join(dir, "memory.events")); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "cgroup.events"), "populated 0\n")
	if err := <-done; err != nil {
		t.Error(err)
	}

	again := container(t, h, map[string]string{"memory.events": "oom_kill 0\n"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- again.WatchOOM(ctx, func(int64) { t.Error("told of nothing") }) }()
	cancel()
	if err := <-done; !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestUnified_Cap(t *testing.T) {
	h := unified(t)
	g, err := h.Cap(Parent(DriverCgroupfs, "agentd"), Limits{NanoCPUs: 1_500_000_000, MemoryBytes: 1 << 30, Pids: 100})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"agentd/memory.max": "1073741824", "agentd/pids.max": "100", "agentd/cpu.max": "150000 100000",
		"cgroup.subtree_control": "+cpu +memory +pids",
	} {
		if got := read(t, filepath.Join(h.root, name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if g.Path() != "/agentd" {
		t.Errorf("path %q", g.Path())
	}
	slice := Parent(DriverSystemd, "agentd-test")
	if _, err := h.Cap(slice, Limits{Pids: 5}); !errs.Is(err, errs.NotFound) {
		t.Errorf("a slice that systemd has not made: %v", err)
	}
	write(t, filepath.Join(h.root, "agentd.slice/agentd-test.slice/pids.max"), "max")
	if _, err := h.Cap(slice, Limits{Pids: 5}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(h.root, "agentd.slice/agentd-test.slice/pids.max")); got != "5" {
		t.Errorf("pids.max %q, want 5", got)
	}
}

func TestOf_NotThatContainers(t *testing.T) {
	h := unified(t)
	container(t, h, nil)
	for name, ask := range map[string]struct {
		pid int
		id  string
	}{"another container": {42, "ffff"}, "no process": {43, "0123abcd"}, "no id": {42, ""}} {
		if _, err := h.Of(ask.pid, ask.id); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	gone := h.At("/agentd/gone")
	if _, err := gone.InForce(); !errs.Is(err, errs.NotFound) {
		t.Errorf("limits of a group that is gone: %v", err)
	}
	if _, err := gone.Usage(); !errs.Is(err, errs.NotFound) {
		t.Errorf("use of a group that is gone: %v", err)
	}
	if err := gone.WatchOOM(t.Context(), nil); !errs.Is(err, errs.NotFound) {
		t.Errorf("watch of a group that is gone: %v", err)
	}
	if err := gone.Remove(); err != nil {
		t.Errorf("removal of a group that is gone: %v", err)
	}
}

func TestFindRoot_Versions(t *testing.T) {
	const hybrid = "24 27 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"25 24 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" +
		"26 24 0:22 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"27 24 0:23 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
	for name, c := range map[string]struct {
		text    string
		version int
		root    string
	}{
		"hybrid":  {hybrid, 1, "/sys/fs/cgroup"},
		"unified": {"25 24 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", 2, "/sys/fs/cgroup"},
		"none":    {"24 27 0:20 / /proc rw - proc proc rw\nshort\n", 0, ""},
	} {
		version, root, err := findRoot(strings.NewReader(c.text))
		if version != c.version || root != c.root || (err == nil) != (c.version != 0) {
			t.Errorf("%s: %d %q %v", name, version, root, err)
		}
	}
}

func TestNano_Quotas(t *testing.T) {
	for _, c := range []struct {
		quota, period string
		want          int64
		ok            bool
	}{
		{"max", "100000", 0, true}, {"-1", "100000", 0, true}, {"100000", "100000", 1e9, true}, {"1000", "100000", 1e7, true},
		{"33333", "100000", 333_330_000, true}, {"9000000000000", "1000000", 9e15, true},
		{"x", "100000", 0, false}, {"100000", "0", 0, false}, {"100000", "", 0, false},
	} {
		got, err := nano(c.quota, c.period)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("nano(%q, %q) = %d, %v; want %d, %v", c.quota, c.period, got, err, c.want, c.ok)
		}
	}
}

func TestBounded_NoLimit(t *testing.T) {
	for limit, want := range map[uint64]int64{
		math.MaxUint64: 0, math.MaxInt64: 0, 9223372036854771712: 0, 9223372036854710272: 0, 4096: 4096, 0: 0, 1 << 50: 1 << 50,
	} {
		if got := bounded(limit); got != want {
			t.Errorf("bounded(%d) = %d, want %d", limit, got, want)
		}
	}
}

func TestParent_Names(t *testing.T) {
	for _, c := range []struct{ driver, name, parent, path string }{
		{DriverCgroupfs, "agentd", "/agentd", "/agentd"},
		{DriverCgroupfs, "agentd-a1", "/agentd-a1", "/agentd-a1"},
		{DriverSystemd, "agentd", "agentd.slice", "/agentd.slice"},
		{DriverSystemd, "agentd-a1-b", "agentd-a1-b.slice", "/agentd.slice/agentd-a1.slice/agentd-a1-b.slice"},
	} {
		parent := Parent(c.driver, c.name)
		if parent != c.parent || parentPath(parent) != c.path {
			t.Errorf("%s %s: %q at %q, want %q at %q", c.driver, c.name, parent, parentPath(parent), c.parent, c.path)
		}
	}
}

func TestDifferences_EachLimit(t *testing.T) {
	asked := Limits{NanoCPUs: 333_333_333, MemoryBytes: 32<<20 + 5, Pids: 10}
	if d := Differences(asked, Limits{NanoCPUs: 333_330_000, MemoryBytes: 32 << 20, Pids: 10}); len(d) != 0 {
		t.Errorf("rounding is a difference: %v", d)
	}
	if d := Differences(asked, Limits{NanoCPUs: 4e8, MemoryBytes: 64 << 20, SwapBytes: 1, Pids: 9}); len(d) != 4 {
		t.Errorf("got %q, want four", d)
	}
}
