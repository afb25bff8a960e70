package supervisor

import (
	"agentd/internal/errs"
	"agentd/internal/plan"
)

// Quota bounds one user's sessions; 0, or a slot that is not there, means no bound.
type Quota struct {
	// Sessions and Slots bound what is held at a time: beyond them sessions wait.
	Sessions int
	Slots    map[string]int64
	// Pending bounds how many wait: beyond it launches are refused.
	Pending int
}

// withinQuota refuses what an owner's quota never allows, and what would make his queue longer than it may be.
func (s *Supervisor) withinQuota(owner uint32, l plan.Limits, count int) error {
	q := s.admission.quota(owner)
	for _, a := range plan.Demand(l) {
		if most, bounded := q.Slots[a.Slot]; bounded && a.Amount > most {
			return errs.New(errs.Forbidden, "launch needs %s %s; the quota of its owner is %s in all",
				plan.FormatAmount(a.Slot, a.Amount), a.Slot, plan.FormatAmount(a.Slot, most)).
				WithHint("ask for less: --resources %s=%s", a.Slot, plan.FormatAmount(a.Slot, most))
		}
	}
	if waiting := s.admission.pending(owner); q.Pending > 0 && waiting+count > q.Pending {
		return errs.New(errs.Busy, "launch %d more: %d of the owner's sessions wait already, and %d may", count, waiting,
			q.Pending).WithHint("wait for some to start, or take some out: ctl session ls; ctl session terminate SESSION")
	}
	return nil
}
