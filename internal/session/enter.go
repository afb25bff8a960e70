package session

import (
	"time"

	"agentd/internal/errs"
)

// Reasons of transitions and results.
const (
	ReasonUser        = "user"
	ReasonExit        = "exit"
	ReasonOOM         = "oom"
	ReasonTimeout     = "timeout"
	ReasonLost        = "lost"
	ReasonHostRestart = "host-restart"
	// ReasonEngine is that of a session whose container the Docker Engine ended because it was itself stopped or started.
	ReasonEngine = "engine-restart"
	ReasonStep   = "step-failed"
	// ReasonDependency is that of a session that was cancelled because one that it depends on did not end well.
	ReasonDependency = "dependency"
	// ReasonRetry is that of a session that goes back into the queue to be tried again.
	ReasonRetry = "retry"
)

// Enter moves the record to the next status and adds the line to its history. A transition that is not in the table is
// an internal error and changes nothing.
func (r *Record) Enter(next Status, now time.Time, reason, message string) error {
	if r.Status != "" && !r.Status.May(next) {
		return errs.New(errs.Internal, "session %s: no way from %s to %s", r.ID, r.Status, next)
	}
	r.Status = next
	r.History = append(r.History, Transition{
		Sequence: len(r.History) + 1, Status: next, Time: now.UTC(), Reason: reason, Message: message,
	})
	if next.Final() {
		if r.Ended == nil {
			// Who knows the true end has put it down before.
			ended := now.UTC()
			r.Ended = &ended
		}
		if r.Result == "" {
			r.Result = Undefined
		}
	}
	return nil
}

// HoldsSlots reports whether the session has been given its slots.
func (r *Record) HoldsSlots() bool {
	switch r.Status {
	case Creating, Running, Terminating:
		return true
	case Pending, Preparing, Pulling, Prepared, Terminated, Error, Cancelled:
	}
	return false
}
