package cgroup

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"
)

// Usage is what a group uses now, and has used.
type Usage struct {
	// CPU is the processor time used so far; Throttled is how long its processes were kept from running by the quota.
	CPU       time.Duration `json:"cpu"`
	Throttled time.Duration `json:"throttled"`
	// MemoryBytes is the memory used now, without the page cache that can be dropped at once; 0 if that is all.
	MemoryBytes int64 `json:"memory_bytes"`
	// MemoryPeakBytes is the most that was ever used, cache included; 0 if the kernel does not say.
	MemoryPeakBytes int64 `json:"memory_peak_bytes,omitempty"`
	// Pids counts processes and threads.
	Pids int64 `json:"pids"`
	// OOMKills counts processes that were ended for want of memory.
	OOMKills int64 `json:"oom_kills"`
	// Pressure is nil where the kernel does not tell it for a group, as in version 1.
	Pressure *Pressure `json:"pressure,omitempty"`
}

// Pressure is the share of the last ten seconds, in percent, in which some process waited for the resource.
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
}

// Usage reads the group's use. The code is not_found if the group is gone.
func (g *Group) Usage() (Usage, error) {
	read := g.usage2
	if g.host.version == 1 {
		read = g.usage1
	}
	u, err := read()
	if err != nil {
		return Usage{}, g.explain("read the use", err)
	}
	return u, nil
}

func (g *Group) usage1() (Usage, error) {
	group, err := g.load1()
	if err != nil {
		return Usage{}, err
	}
	m, err := group.Stat(cgroup1.IgnoreNotExist)
	if err != nil {
		return Usage{}, err
	}
	if m.Memory == nil || m.Memory.Usage == nil || m.Pids == nil || m.CPU == nil {
		return Usage{}, fmt.Errorf("a controller is missing: %w", fs.ErrNotExist)
	}
	u := Usage{
		MemoryBytes:     working(m.Memory.Usage.Usage, m.Memory.TotalInactiveFile),
		MemoryPeakBytes: int64(m.Memory.Usage.Max),
		Pids:            int64(m.Pids.Current),
	}
	if m.CPU.Usage != nil {
		u.CPU = time.Duration(m.CPU.Usage.Total)
	}
	if m.CPU.Throttling != nil {
		u.Throttled = time.Duration(m.CPU.Throttling.ThrottledTime)
	}
	if m.MemoryOomControl != nil {
		u.OOMKills = int64(m.MemoryOomControl.OomKill)
	}
	return u, nil
}

func (g *Group) usage2() (Usage, error) {
	group, err := g.load2()
	if err != nil {
		return Usage{}, err
	}
	m, err := group.StatFiltered(cgroup2.StatMemory | cgroup2.StatMemoryEvents | cgroup2.StatPids | cgroup2.StatCPU)
	if err != nil {
		return Usage{}, err
	}
	if m.MemoryEvents == nil {
		return Usage{}, fmt.Errorf("memory.events: %w", fs.ErrNotExist)
	}
	u := Usage{
		CPU:             time.Duration(m.CPU.UsageUsec) * time.Microsecond,
		Throttled:       time.Duration(m.CPU.ThrottledUsec) * time.Microsecond,
		MemoryBytes:     working(m.Memory.Usage, m.Memory.InactiveFile),
		MemoryPeakBytes: int64(m.Memory.MaxUsage),
		Pids:            int64(m.Pids.Current),
		OOMKills:        int64(m.MemoryEvents.OomKill),
	}
	if cpu, memory := some(m.CPU.PSI), some(m.Memory.PSI); cpu != nil && memory != nil {
		u.Pressure = &Pressure{CPU: cpu.Avg10, Memory: memory.Avg10}
	}
	return u, nil
}

func some(p *stats2.PSIStats) *stats2.PSIData {
	if p == nil {
		return nil
	}
	return p.Some
}

// working is the memory that cannot be dropped at once.
func working(usage, inactiveFile uint64) int64 {
	if inactiveFile >= usage {
		return 0
	}
	return int64(usage - inactiveFile)
}
