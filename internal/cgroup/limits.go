package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
)

// Limits are the limits of a group; 0 means none.
type Limits struct {
	// NanoCPUs is the CPU quota in billionths of a core.
	NanoCPUs int64 `json:"nano_cpus"`
	// MemoryBytes is the limit of memory.
	MemoryBytes int64 `json:"memory_bytes"`
	// SwapBytes is what may be swapped out beyond it: -1 means any amount, or that this kernel does not say.
	SwapBytes int64 `json:"swap_bytes"`
	// Pids bounds processes and threads.
	Pids int64 `json:"pids"`
}

// InForce reads what the kernel holds the group to. The code is not_found if the group is gone.
func (g *Group) InForce() (Limits, error) {
	read := g.inForce2
	if g.host.version == 1 {
		read = g.inForce1
	}
	l, err := read()
	if err == nil {
		l.NanoCPUs, err = g.quota()
	}
	if err != nil {
		return Limits{}, g.explain("read the limits", err)
	}
	return l, nil
}

// inForce1 reads version 1, where no limit is the largest number of pages.
func (g *Group) inForce1() (Limits, error) {
	group, err := g.load1()
	if err != nil {
		return Limits{}, err
	}
	m, err := group.Stat(cgroup1.IgnoreNotExist)
	if err != nil {
		return Limits{}, err
	}
	if m.Memory == nil || m.Memory.Usage == nil || m.Pids == nil {
		return Limits{}, fmt.Errorf("no memory or pids controller: %w", fs.ErrNotExist)
	}
	l := Limits{MemoryBytes: bounded(m.Memory.Usage.Limit), SwapBytes: -1, Pids: bounded(m.Pids.Limit)}
	if m.Memory.Swap != nil && m.Memory.Swap.Limit != 0 && l.MemoryBytes != 0 {
		// Version 1 limits the sum of both.
		if both := bounded(m.Memory.Swap.Limit); both != 0 {
			l.SwapBytes = both - l.MemoryBytes
		}
	}
	return l, nil
}

func (g *Group) inForce2() (Limits, error) {
	// The library tells a file that is not there as 0, which would be no limit.
	if _, err := os.Stat(g.file(cgroup1.Memory, "memory.max")); err != nil {
		return Limits{}, err
	}
	group, err := g.load2()
	if err != nil {
		return Limits{}, err
	}
	m, err := group.StatFiltered(cgroup2.StatMemory | cgroup2.StatPids)
	if err != nil {
		return Limits{}, err
	}
	l := Limits{MemoryBytes: bounded(m.Memory.UsageLimit), SwapBytes: -1, Pids: bounded(m.Pids.Limit)}
	if _, err := os.Stat(g.file(cgroup1.Memory, "memory.swap.max")); err == nil && m.Memory.SwapLimit <= math.MaxInt64 {
		l.SwapBytes = int64(m.Memory.SwapLimit)
	}
	return l, nil
}

// bounded is limit, or 0 for one so large that it means none: the largest number, or that of whole pages.
func bounded(limit uint64) int64 {
	const pages = math.MaxInt64 &^ (64<<10 - 1)
	if limit >= pages {
		return 0
	}
	return int64(limit)
}

// quota reads the CPU quota from its file: the library reads only what was used.
func (g *Group) quota() (int64, error) {
	if g.host.version == 2 {
		text, err := os.ReadFile(g.file("", "cpu.max"))
		if errors.Is(err, fs.ErrNotExist) {
			// The cpu controller is not enabled here: then there is no quota.
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		quota, period, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		return nano(quota, period)
	}
	quota, err := os.ReadFile(g.file(cgroup1.Cpu, "cpu.cfs_quota_us"))
	if err != nil {
		return 0, err
	}
	period, err := os.ReadFile(g.file(cgroup1.Cpu, "cpu.cfs_period_us"))
	if err != nil {
		return 0, err
	}
	return nano(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

// nano makes billionths of a core of a quota and a period in microseconds; "max" and -1 are no quota.
func nano(quota, period string) (int64, error) {
	if quota == "max" || strings.HasPrefix(quota, "-") {
		return 0, nil
	}
	q, err := strconv.ParseInt(quota, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("CPU quota: %w", err)
	}
	p, err := strconv.ParseInt(period, 10, 64)
	if err != nil || p <= 0 {
		return 0, fmt.Errorf("CPU period %q: %w", period, errors.Join(err, strconv.ErrRange))
	}
	// A quota in microseconds times a billion does not fit 64 bits.
	n := new(big.Int).Mul(big.NewInt(q), big.NewInt(1e9))
	return n.Div(n, big.NewInt(p)).Int64(), nil
}

// Differences lists where the limits in force are not those that were asked for, each in words. A CPU quota is kept in
// microseconds of 100 ms, so that less than 10,000 billionths are lost; memory is kept in whole pages.
func Differences(asked, inForce Limits) []string {
	var out []string
	differ := func(what string, asked, inForce, step int64) {
		if d := asked - inForce; d < 0 || d >= step {
			out = append(out, fmt.Sprintf("%s: asked for %d, in force is %d", what, asked, inForce))
		}
	}
	differ("nano_cpus", asked.NanoCPUs, inForce.NanoCPUs, 10_000)
	differ("memory_bytes", asked.MemoryBytes, inForce.MemoryBytes, int64(os.Getpagesize()))
	differ("pids", asked.Pids, inForce.Pids, 1)
	if asked.MemoryBytes != 0 && inForce.SwapBytes > 0 {
		out = append(out, fmt.Sprintf("swap_bytes: asked for none, in force is %d", inForce.SwapBytes))
	}
	return out
}
