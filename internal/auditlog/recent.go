package auditlog

import (
	"time"

	"agentd/internal/api"
)

const (
	// leaveOut is how long an entry stands for all that are like it.
	leaveOut = time.Minute
	// maxRecent bounds what is remembered.
	maxRecent = 4096
)

// likeness is what makes two entries alike.
type likeness struct {
	uid                            uint32
	action, code, ref, session, of string
}

// seen is an entry that was written, and how many like it were not.
type seen struct {
	at      time.Time
	skipped int
}

// recent remembers the entries of the last minute.
type recent map[likeness]seen

// again reports whether an entry like e was written within the last minute; if not, how many were left out since the last.
func (r recent) again(e api.AuditEntry, now time.Time) (skipped int, again bool) {
	key := likeness{e.UID, e.Action, e.Code, e.Ref, e.Session, e.Template}
	last, known := r[key]
	if age := now.Sub(last.at); known && age >= 0 && age < leaveOut {
		last.skipped++
		r[key] = last
		return 0, true
	}
	if len(r) >= maxRecent {
		clear(r)
	}
	r[key] = seen{at: now}
	return last.skipped, false
}
