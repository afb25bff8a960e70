package cgroup_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"agentd/internal/cgroup"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/imagetest"
	"agentd/internal/layout"
	"agentd/internal/testenv"
)

// ground is an engine with a parent group for the test's containers.
type ground struct {
	*engine.Engine
	host   *cgroup.Host
	image  engine.Image
	parent string
}

func newGround(t *testing.T) *ground {
	t.Helper()
	testenv.Root(t)
	docker := testenv.Engine(t)
	h, err := cgroup.Open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Connect(docker.Host)
	if err != nil {
		t.Fatal(err)
	}
	ref := "agentd-test/cgroup:" + strings.ToLower(rand.Text()[:8])
	imagetest.Load(t, docker.Host, ref, imagetest.WithBusybox(t, "amd64"))
	img, err := e.Image(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	info, err := e.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.CgroupVersion != h.Version() {
		t.Fatalf("version %d, the engine says %d", h.Version(), info.CgroupVersion)
	}
	parent := cgroup.Parent(info.CgroupDriver, "agentd_test_"+strings.ToLower(rand.Text()[:8]))
	if info.CgroupDriver == cgroup.DriverCgroupfs {
		g, err := h.Cap(parent, cgroup.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
			left, err := filepath.Glob("/sys/fs/cgroup/*/" + filepath.Base(parent))
			if err != nil || len(left) > 0 {
				t.Errorf("left are %v, %v", left, err)
			}
		})
	}
	return &ground{e, h, img, parent}
}

// run starts a container and returns it and the group that it is in.
func (g *ground) run(t *testing.T, l engine.Limits, script string) (engine.Container, *cgroup.Group) {
	t.Helper()
	session := strings.ToLower(rand.Text()[:10])
	l.CgroupParent = g.parent
	id, err := g.Create(t.Context(), engine.Spec{
		Name: layout.ContainerName(session), Image: g.image, Network: engine.NetworkNone, User: "1000:1000",
		Labels:     engine.Labels{Instance: "cgroup-test", Session: session, Nonce: "n"},
		Entrypoint: []string{"/bin/sh", "-c", script}, Limits: l,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := g.Remove(ctx, id); err != nil {
			t.Error(err)
		}
	})
	if err := g.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c, err := g.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	group, err := g.host.Of(c.PID, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c, group
}

func TestInForce_WhatTheEngineWasAskedFor(t *testing.T) {
	g := newGround(t)
	for i, asked := range []cgroup.Limits{
		{NanoCPUs: 1e9, MemoryBytes: 16 << 20, Pids: 1000}, {NanoCPUs: 2e9, MemoryBytes: 4 << 30, Pids: 4096},
		{NanoCPUs: 1e7, MemoryBytes: 32 << 20, Pids: 10}, {NanoCPUs: 5e8, MemoryBytes: 64 << 20, Pids: 11},
		{NanoCPUs: 333_333_333, MemoryBytes: 100_000_001, Pids: 12}, {NanoCPUs: 1_500_000_000, MemoryBytes: 320 << 20, Pids: 13},
		{NanoCPUs: 250_000_000, MemoryBytes: 1<<30 + 1, Pids: 14}, {NanoCPUs: 123_456_789, MemoryBytes: 123_456_789, Pids: 15},
		{NanoCPUs: 1_999_990_000, MemoryBytes: 17 << 20, Pids: 16}, {NanoCPUs: 7e8, MemoryBytes: 1 << 40, Pids: 17},
		{MemoryBytes: 48 << 20}, {NanoCPUs: 1e9}, {},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			_, group := g.run(t, engine.Limits{
				NanoCPUs: asked.NanoCPUs, MemoryBytes: asked.MemoryBytes, Pids: asked.Pids,
			}, "sleep 60")
			got, err := group.InForce()
			if err != nil {
				t.Fatal(err)
			}
			if d := cgroup.Differences(asked, got); len(d) > 0 {
				t.Error(d)
			}
			if !strings.Contains(group.Path(), strings.TrimPrefix(g.parent, "/")) {
				t.Errorf("the group %s is not in %s", group.Path(), g.parent)
			}
		})
	}
}

// A child is out of memory; the container ends well, and what the engine says of it is not what is believed.
func TestWatchOOM_OfAChildInAContainer(t *testing.T) {
	g := newGround(t)
	c, group := g.run(t, engine.Limits{MemoryBytes: 32 << 20}, "sleep 1; (echo 500 > /proc/self/oom_score_adj; tail /dev/zero); exit 0")
	kills := int64(0)
	if err := group.WatchOOM(t.Context(), func(n int64) { kills = n }); err != nil {
		t.Fatal(err)
	}
	if kills != 1 {
		t.Errorf("told of %d, want 1", kills)
	}
	ended, err := g.Wait(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if exit := engine.Judge(ended, engine.Witness{OOM: kills > 0}); exit.Code != 0 || !exit.OOM {
		t.Errorf("judged %+v", exit)
	}
	if _, err := g.host.Of(c.PID, c.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("after the end: %v", err)
	}
}
