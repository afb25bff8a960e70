package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"agentd/internal/errs"
)

// The engine's cgroup drivers.
const (
	DriverCgroupfs = "cgroupfs"
	DriverSystemd  = "systemd"
)

// Parent is the name of the group above all sessions, as an engine with that driver wants it: /agentd, or agentd.slice.
// Name may have dashes; to systemd they are levels, so that a-b is in a.
func Parent(driver, name string) string {
	if driver == DriverSystemd {
		return name + ".slice"
	}
	return "/" + name
}

// parentPath is where the group is that the engine calls parent.
func parentPath(parent string) string {
	name, isSlice := strings.CutSuffix(parent, ".slice")
	if !isSlice || strings.Contains(parent, "/") {
		return parent
	}
	path, prefix := "/", ""
	for part := range strings.SplitSeq(name, "-") {
		prefix += part
		path = filepath.Join(path, prefix+".slice")
		prefix += "-"
	}
	return path
}

// Cap limits what all containers in the group that the engine calls parent use together; 0 lifts nothing and limits
// nothing. With the cgroupfs driver it makes the group. A slice is systemd's to make: until it has, when its unit or its
// first container is started, the code is not_found. The code is forbidden for an agentd that is not root.
func (h *Host) Cap(parent string, l Limits) (*Group, error) {
	g := h.At(parentPath(parent))
	isSlice := strings.HasSuffix(parent, ".slice")
	if _, err := os.Stat(g.file(cgroup1.Memory, "")); errors.Is(err, fs.ErrNotExist) && isSlice {
		return nil, errs.New(errs.NotFound, "control group %s: systemd has not started it: %w", parent, err)
	}
	limit := g.cap2
	if h.version == 1 {
		limit = g.cap1
	}
	if err := limit(l, isSlice); err != nil {
		return nil, g.explain("make and limit", err)
	}
	return g, nil
}

// resources are the limits in the words of the OCI runtime specification, which are the library's.
func resources(l Limits) *specs.LinuxResources {
	r := &specs.LinuxResources{}
	if l.MemoryBytes > 0 {
		r.Memory = &specs.LinuxMemory{Limit: &l.MemoryBytes}
	}
	if l.Pids > 0 {
		r.Pids = &specs.LinuxPids{Limit: &l.Pids}
	}
	if l.NanoCPUs > 0 {
		period := uint64(100_000)
		quota := l.NanoCPUs / 10_000
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
	}
	return r
}

func (g *Group) cap1(l Limits, exists bool) error {
	if exists {
		group, err := g.load1()
		if err != nil {
			return err
		}
		return group.Update(resources(l))
	}
	_, err := cgroup1.New(cgroup1.StaticPath(g.Path()), resources(l), hierarchy(g.host.root))
	if errors.Is(err, fs.ErrExist) {
		return g.cap1(l, true)
	}
	if err != nil {
		return err
	}
	// The library writes a limit of memory only into a group that it has made itself.
	return g.cap1(l, true)
}

func (g *Group) cap2(l Limits, exists bool) error {
	r := cgroup2.ToResources(resources(l))
	if exists {
		group, err := g.load2()
		if err != nil {
			return err
		}
		return group.Update(r)
	}
	_, err := cgroup2.NewManager(g.host.root, g.Path(), r)
	return err
}

// Remove removes the group, in every hierarchy of version 1: the engine has made it in each. It is nil if there is none. The
// code is conflict if there is something in it.
func (g *Group) Remove() error {
	for _, root := range g.host.hierarchies() {
		// Only a group's directory can be removed with what is in it.
		err := os.Remove(filepath.Join(root, g.Path()))
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ENOTEMPTY):
			return errs.New(errs.Conflict, "remove control group %s: there is something in it: %w", g.Path(), err)
		default:
			return g.explain("remove", err)
		}
	}
	return nil
}
