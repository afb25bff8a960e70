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
func (e *Endings) Wait(ctx context.Context, id, boot string, claim func() witness.Claim) (witness.Ending, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var kills atomic.Int64
	now, err := e.Host.Engine.Inspect(ctx, id)
	if err == nil && now.PID > 0 && e.Groups != nil {
		if group, err := e.Groups.Of(now.PID, id); err == nil {
			go group.WatchOOM(watching, kills.Store) //nolint:errcheck // without it the engine's word is all there is
		}
	}
	restarted := boot != "" && boot != BootID()
	c, err := e.waitSurely(ctx, id, err == nil && now.State.Live())
	if errs.Is(err, errs.NotFound) {
		return witness.Ending{Lost: true, HostRestart: restarted}, nil
	}
	if err != nil {
		return witness.Ending{}, err
	}
	said := claim()
	evidence := engine.Witness{InitEnded: said.Ended, InitCode: said.Code, OOM: kills.Load() > 0}
	if boot == "" || restarted {
		evidence.Boot = bootTime()
	}
	exit := engine.Judge(c, evidence)
	end := witness.Ending{OOM: exit.OOM, Lost: exit.Outcome == engine.OutcomeLost, At: exit.Time}
	if exit.Outcome == engine.OutcomeExited {
		end.Code = &exit.Code
	}
	byOthers := end.Code != nil && (exit.Code == exitTerm || exit.Code == exitKill) && !exit.OOM
	end.HostRestart = end.Lost && (exit.HostRestarted || restarted) || byOthers && restarted
	end.EngineEnded = byOthers && !restarted && e.engineEnded(exit.Time)
	return end, nil
}

// The codes of what is ended by a signal, SIGTERM or SIGKILL, as an engine does that stops.
const (
	exitTerm = 128 + 15
	exitKill = 128 + 9
)

// engineEnded reports whether something that a signal ended then was ended by an engine that stopped, or that was started
// again and ended what it found running.
func (e *Endings) engineEnded(at time.Time) bool {
	from, to := e.Host.Engine.LastOutage()
	return !from.IsZero() && at.After(from.Add(-stopSlack)) && at.Before(to.Add(stopSlack))
}

// stopSlack is how far the end of a container may be from the engine's silence: an engine that is told to stop closes its
// connections at about the same time.
const stopSlack = 2 * time.Second

// sureAfter is when the engine is asked again about a container that it does not know.
const sureAfter = 2 * time.Second

// waitSurely is the engine's Wait; that there is no such container must be said twice, as an engine that has just been
// started may not know yet. live says that it was seen to run.
func (e *Endings) waitSurely(ctx context.Context, id string, live bool) (engine.Container, error) {
	wait := e.Host.Engine.Wait
	if live {
		wait = e.Host.Engine.WaitLive
	}
	c, err := wait(ctx, id)
	if !errs.Is(err, errs.NotFound) {
		return c, err
	}
	again := time.NewTimer(sureAfter)
	defer again.Stop()
	select {
	case <-again.C:
		return e.Host.Engine.Wait(ctx, id)
	case <-ctx.Done():
		return engine.Container{}, ctx.Err()
	}
}

// BootID names the boot of this machine; empty if the kernel does not say.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
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
