package cgroup

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	cgroups "github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"

	"agentd/internal/errs"
)

// Group is one control group: one directory, or in version 1 one for each controller.
type Group struct {
	host *Host
	// paths are beneath the controllers' roots in version 1; in version 2 there is only that of "".
	paths map[string]string
}

// Of returns the group that the process pid is in, and nothing but /proc says so. Container is the id of the container
// that pid is said to be the first process of: a group whose name has no such id is not its, because the process has
// ended meanwhile and its number was given away. The code is not_found then.
func (h *Host) Of(pid int, container string) (*Group, error) {
	name := filepath.Join(h.proc, strconv.Itoa(pid), "cgroup")
	v1, v2, err := cgroups.ParseCgroupFileUnified(name)
	if isGone(err) || errors.Is(err, syscall.ESRCH) {
		return nil, errs.New(errs.NotFound, "find the control group of process %d: %w", pid, err)
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable, "find the control group of process %d: %w", pid, err)
	}
	g := &Group{host: h, paths: map[string]string{"": v2}}
	if h.version == 1 {
		g.paths = v1
	}
	if path := g.Path(); container == "" || !strings.Contains(filepath.Base(path), container) {
		return nil, errs.New(errs.NotFound, "find the control group of process %d: it is in %q, not in container %q's",
			pid, path, container)
	}
	return g, nil
}

// At returns the group with that path, as [Group.Path] told it; nobody looks whether it is there.
func (h *Host) At(path string) *Group {
	g := &Group{host: h, paths: map[string]string{"": path}}
	if h.version == 1 {
		g.paths = map[string]string{}
		for _, controller := range controllers() {
			g.paths[string(controller)] = path
		}
	}
	return g
}

// Path is the group's path, in version 1 that of the memory controller.
func (g *Group) Path() string {
	if g.host.version == 1 {
		return g.paths[string(cgroup1.Memory)]
	}
	return g.paths[""]
}

// file is the name of a file of the group; controller does not matter in version 2.
func (g *Group) file(controller cgroup1.Name, name string) string {
	if g.host.version == 1 {
		return filepath.Join(g.host.root, string(controller), g.paths[string(controller)], name)
	}
	return filepath.Join(g.host.root, g.paths[""], name)
}

// controllers are those of version 1 that we look at.
func controllers() []cgroup1.Name {
	return []cgroup1.Name{cgroup1.Memory, cgroup1.Pids, cgroup1.Cpu, cgroup1.Cpuacct}
}

// hierarchy are the controllers of version 1 at root. Kernel memory is left out: newer kernels do not have its files.
func hierarchy(root string) cgroup1.InitOpts {
	return cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		memory := cgroup1.NewMemory(root, cgroup1.IgnoreModules("kmem", "kmem.tcp"), cgroup1.OptionalSwap())
		return []cgroup1.Subsystem{
			memory, cgroup1.NewPids(root), cgroup1.NewCpu(root), cgroup1.NewCpuacct(root),
		}, nil
	})
}

// load1 loads the group of version 1.
func (g *Group) load1() (cgroup1.Cgroup, error) {
	path := func(name cgroup1.Name) (string, error) {
		p, ok := g.paths[string(name)]
		if !ok {
			return "", cgroup1.ErrControllerNotActive
		}
		return p, nil
	}
	return cgroup1.Load(path, hierarchy(g.host.root), func(c *cgroup1.InitConfig) error {
		c.InitCheck = cgroup1.AllowAny
		return nil
	})
}

// load2 loads the group of version 2.
func (g *Group) load2() (*cgroup2.Manager, error) {
	return cgroup2.Load(g.paths[""], cgroup2.WithMountpoint(g.host.root))
}

// isNoDevice reports whether err is that of reading a file of a group which is being removed.
func isNoDevice(err error) bool { return errors.Is(err, syscall.ENODEV) }

// explain makes a failure to read or write the group ours.
func (g *Group) explain(step string, err error) error {
	code := errs.Unavailable
	switch {
	case isGone(err), errors.Is(err, cgroup1.ErrCgroupDeleted):
		code = errs.NotFound
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		code = errs.Forbidden
	}
	return errs.New(code, "%s of control group %s: %w", step, g.Path(), err)
}
