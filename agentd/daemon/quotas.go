package daemon

import (
	"maps"
	"sync/atomic"

	"agentd/internal/config"
	"agentd/internal/resource"
	"agentd/internal/supervisor"
)

// quotas are what users may have, as the newest configuration says.
type quotas struct{ now atomic.Pointer[config.Quotas] }

func newQuotas(q config.Quotas) *quotas {
	held := &quotas{}
	held.now.Store(&q)
	return held
}

// sessions are the bounds of one user's sessions. All users have the same.
func (q *quotas) sessions(uint32) supervisor.Quota {
	now := q.now.Load()
	bounds := supervisor.Quota{Sessions: now.Sessions, Pending: now.Pending, Slots: map[string]int64{}}
	for slot, count := range maps.All(now.Slots) {
		bounds.Slots[slot] = int64(count)
	}
	if now.CPU > 0 {
		bounds.Slots[resource.SlotCPU] = int64(now.CPU)
	}
	if now.Mem > 0 {
		bounds.Slots[resource.SlotMem] = int64(now.Mem)
	}
	return bounds
}

// folderBytes is how much one user's vfolders may hold; 0 for no bound.
func (q *quotas) folderBytes() int64 { return int64(q.now.Load().VFolderBytes) }
