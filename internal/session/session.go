// Package session is the recorded session: its id, its status with the allowed transitions, its history and its result.
package session

import (
	"slices"
	"time"

	"agentd/internal/errs"
)

// Status says how far a session is; how it ended is its [Result].
type Status string

// The statuses, from design section 5, under the names that Backend.AI uses.
const (
	Pending     Status = "PENDING"
	Preparing   Status = "PREPARING"
	Pulling     Status = "PULLING"
	Prepared    Status = "PREPARED"
	Creating    Status = "CREATING"
	Running     Status = "RUNNING"
	Terminating Status = "TERMINATING"
	Terminated  Status = "TERMINATED"
	Error       Status = "ERROR"
	Cancelled   Status = "CANCELLED"
)

// Statuses lists all of them in the order of a life.
func Statuses() []Status {
	return []Status{
		Pending, Preparing, Pulling, Prepared, Creating, Running, Terminating, Terminated, Error, Cancelled,
	}
}

// transitions is the table of what may follow what; the picture in doc.go shows the same.
func transitions(from Status) []Status {
	switch from {
	case Pending:
		return []Status{Preparing, Cancelled, Error}
	case Preparing:
		return []Status{Pulling, Prepared, Error, Cancelled}
	case Pulling:
		return []Status{Prepared, Error, Cancelled}
	case Prepared:
		return []Status{Creating, Error, Cancelled}
	case Creating:
		return []Status{Running, Terminating, Error, Cancelled}
	case Running:
		return []Status{Terminating, Terminated}
	case Terminating:
		// PENDING: it is tried again.
		return []Status{Terminated, Error, Cancelled, Pending}
	case Terminated, Error, Cancelled:
		return nil
	}
	return nil
}

// Final reports whether nothing follows s.
func (s Status) Final() bool { return len(transitions(s)) == 0 }

// May reports whether next may follow s.
func (s Status) May(next Status) bool { return slices.Contains(transitions(s), next) }

// ParseStatus returns the status named s, or an error with code invalid that lists them.
func ParseStatus(s string) (Status, error) {
	if slices.Contains(Statuses(), Status(s)) {
		return Status(s), nil
	}
	return "", errs.New(errs.Invalid, "unknown status %q: want one of %v", s, Statuses())
}

// Result says how a session ended.
type Result string

// The results. An outcome that nobody saw is undefined, never success.
const (
	Undefined Result = "undefined"
	Success   Result = "success"
	Failure   Result = "failure"
)

// Types of sessions, as in the template.
const (
	Interactive = "interactive"
	Batch       = "batch"
)

// Transition is one line of a session's history; lines are only ever added.
type Transition struct {
	// Sequence counts from 1; it, not the clock, orders the history.
	Sequence int       `json:"sequence"`
	Status   Status    `json:"status"`
	Time     time.Time `json:"time"`
	// Reason is a stable slug, such as user, exit, oom, timeout, lost, host-restart, engine-restart.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}
