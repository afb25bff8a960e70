package adapt

import (
	"context"
	"strings"
	"sync"

	"agentd/internal/cgroup"
	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// Limits is the kernel's part of a launch.
type Limits struct {
	Host *Host
	// Groups is nil on a machine without control groups that could be read.
	Groups *cgroup.Host
	// Cap is what all sessions may use together.
	Cap cgroup.Limits

	// mu guards capped.
	mu     sync.Mutex
	capped bool
}

// groupName is the group above all sessions, as configured in systemd/agentd.slice too.
const groupName = "agentd"

// Parent names the group above all sessions for the engine. Root's agentd makes and caps it; a slice is systemd's to
// make, which it does with the first container in it.
func (l *Limits) Parent(ctx context.Context) (string, error) {
	info, err := l.Host.Info(ctx)
	if err != nil {
		return "", err
	}
	parent := cgroup.Parent(info.CgroupDriver, groupName)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.capped || !l.Host.Root || l.Groups == nil {
		return parent, nil
	}
	_, err = l.Groups.Cap(parent, l.Cap)
	switch {
	case errs.Is(err, errs.NotFound):
		return parent, nil
	case err != nil:
		return "", err
	}
	l.capped = true
	return parent, nil
}

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
