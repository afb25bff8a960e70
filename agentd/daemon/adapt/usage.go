package adapt

import (
	"time"

	"agentd/internal/api"
	"agentd/internal/cgroup"
	"agentd/internal/errs"
	"agentd/internal/session"
)

// Usage reads what sessions use.
type Usage struct {
	// Groups is nil on a machine without control groups that could be read.
	Groups *cgroup.Host
}

// Usage reads the control group that was found in force when the session was started.
func (u Usage) Usage(rec session.Record) (api.SessionStats, error) {
	if u.Groups == nil || rec.Staged.Applied == nil || rec.Status.Final() {
		return api.SessionStats{}, errs.New(errs.NotFound, "session %s has no control group to read", rec.ID)
	}
	applied := rec.Staged.Applied
	got, err := u.Groups.At(applied.Cgroup).Usage()
	if err != nil {
		return api.SessionStats{}, err
	}
	s := api.SessionStats{
		ID: rec.ID, Name: rec.Plan.Name, Time: time.Now().UTC(), CPU: got.CPU, Throttled: got.Throttled,
		NanoCPUs: applied.NanoCPUs, MemoryBytes: got.MemoryBytes, MemoryPeakBytes: got.MemoryPeakBytes,
		MemoryLimitBytes: applied.MemoryBytes, Pids: got.Pids, PidsLimit: applied.Pids, OOMKills: got.OOMKills,
	}
	if got.Pressure != nil {
		s.Pressure = &api.Pressure{CPU: got.Pressure.CPU, Memory: got.Pressure.Memory}
	}
	return s, nil
}
