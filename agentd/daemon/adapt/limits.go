package adapt

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"agentd/internal/cgroup"
	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/resource"
	"agentd/internal/session"
	"agentd/internal/systemd"
)

// Limits is the kernel's part of a launch.
type Limits struct {
	Host *Host
	// Groups is nil on a machine without control groups that could be read.
	Groups *cgroup.Host
	// Machine knows what all sessions may use together.
	Machine *Machine
	// Above is the name of the group above all sessions; in systemd/agentd.slice it is the default.
	Above string

	Log *slog.Logger

	// mu guards capped, the parent that has its limits already.
	mu     sync.Mutex
	capped string
}

// Parent names the group above all sessions for the engine. Root's agentd caps it at what there is to give: by itself
// where the engine makes groups itself, by way of systemd where that does.
func (l *Limits) Parent(ctx context.Context) (string, error) {
	info, err := l.Host.Info(ctx)
	if err != nil {
		return "", err
	}
	parent := cgroup.Parent(info.CgroupDriver, l.Above)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.capped == parent || !l.Host.Root || l.Groups == nil {
		return parent, nil
	}
	if err := l.limit(ctx, parent, info.CgroupDriver); err != nil {
		return "", err
	}
	l.capped = parent
	return parent, nil
}

// limit caps the parent. The machine's memory less the reserve is always a limit; its cores are one only if some are
// kept back: a quota costs time.
func (l *Limits) limit(ctx context.Context, parent, driver string) error {
	slots, err := l.Machine.Slots(ctx)
	if err != nil {
		return err
	}
	together := cgroup.Limits{MemoryBytes: slots[resource.SlotMem]}
	if l.Machine.ReserveCPU > 0 {
		together.NanoCPUs = slots[resource.SlotCPU]
	}
	if driver != cgroup.DriverSystemd {
		_, err := l.Groups.Cap(parent, together)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sliceTimeout)
	defer cancel()
	limits := systemd.SliceLimits{NanoCPUs: together.NanoCPUs, MemoryBytes: together.MemoryBytes}
	if err := systemd.CapSlice(ctx, parent, limits); err != nil {
		// Each session has its own limits all the same.
		l.Log.Warn("the limit of all sessions together is not in force", "error", err)
	}
	return nil
}

// sliceTimeout bounds the wait for systemd.
const sliceTimeout = 10 * time.Second

// Verify reads back what the kernel holds the container to, and refuses to go on with less than was asked for.
func (l *Limits) Verify(_ context.Context, container string, pid int, want plan.Limits) (session.Applied, error) {
	if l.Groups == nil || pid == 0 {
		return session.Applied{}, errs.New(errs.NotFound, "there is no control group to look at")
	}
	group, err := l.Groups.Of(pid, container)
	if err != nil {
		return session.Applied{}, err
	}
	got, err := group.InForce()
	if err != nil {
		return session.Applied{}, err
	}
	asked := cgroup.Limits{NanoCPUs: want.NanoCPUs, MemoryBytes: want.MemoryBytes, SwapBytes: got.SwapBytes, Pids: want.Pids}
	if differ := cgroup.Differences(asked, got); len(differ) > 0 {
		return session.Applied{}, errs.New(errs.Internal, "the limits are not in force: %s", strings.Join(differ, "; ")).
			WithHint("ctl system doctor says what this kernel lacks")
	}
	return session.Applied{
		NanoCPUs: got.NanoCPUs, MemoryBytes: got.MemoryBytes, Pids: got.Pids, Cgroup: group.Path(),
	}, nil
}
