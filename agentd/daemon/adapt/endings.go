package adapt

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"agentd/internal/cgroup"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/witness"
)

// Endings is the engine as the witness sees it.
type Endings struct {
	Host   *Host
	Groups *cgroup.Host
}

// Wait returns how the container ended. Kills for want of memory are counted by the kernel's own events meanwhile: the
// engine is no witness of those that hit a child.
func (e *Endings) Wait(ctx context.Context, id string, claim func() witness.Claim) (witness.Ending, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var kills atomic.Int64
	if c, err := e.Host.Engine.Inspect(ctx, id); err == nil && c.PID > 0 && e.Groups != nil {
		if group, err := e.Groups.Of(c.PID, id); err == nil {
			go group.WatchOOM(watching, kills.Store) //nolint:errcheck // without it the engine's word is all there is
		}
	}
	c, err := e.Host.Engine.Wait(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return witness.Ending{Lost: true}, nil
	}
	if err != nil {
		return witness.Ending{}, err
	}
	said := claim()
	exit := engine.Judge(c, engine.Witness{
		InitEnded: said.Ended, InitCode: said.Code, OOM: kills.Load() > 0, Boot: bootTime(),
	})
	end := witness.Ending{
		OOM: exit.OOM, Lost: exit.Outcome == engine.OutcomeLost, HostRestart: exit.HostRestarted, At: exit.Time,
	}
	if exit.Outcome == engine.OutcomeExited {
		end.Code = &exit.Code
	}
	return end, nil
}

// Signal sends a signal; a container that does not run any more needs none.
func (e *Endings) Signal(ctx context.Context, id, signal string) error {
	err := e.Host.Engine.Kill(ctx, id, signal)
	if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// bootTime is when the machine was started, by the line btime of /proc/stat; zero if it cannot be read.
func bootTime() time.Time {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(stat)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			if seconds, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
				return time.Unix(seconds, 0)
			}
		}
	}
	return time.Time{}
}
