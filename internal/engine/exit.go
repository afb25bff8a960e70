package engine

import "time"

// Outcome is what is known of a container's end.
type Outcome string

// The outcomes.
const (
	// OutcomeRunning: it has not ended.
	OutcomeRunning Outcome = "running"
	// OutcomeNotStarted: it never ran; Exit.Error says why, if it was tried.
	OutcomeNotStarted Outcome = "not-started"
	// OutcomeExited: it ended, and Exit.Code is true.
	OutcomeExited Outcome = "exited"
	// OutcomeLost: it ended, and nobody saw how.
	OutcomeLost Outcome = "lost"
)

// Exit is how a container ended, as far as it can be known.
type Exit struct {
	Outcome Outcome
	// Code is the first process's exit code, or 128 plus the signal's number; only with [OutcomeExited].
	Code int
	// OOM is true if the kernel ended a process of it for want of memory; the code may be 0 all the same.
	OOM bool
	// Time is when it ended; zero if that is not known.
	Time time.Time
	// HostRestarted is true if the machine was started since the container was: with [OutcomeLost], the reason.
	HostRestarted bool
	// Error is why it could not be started.
	Error string
}

// Witness is what others than the engine saw of a container's end.
type Witness struct {
	// InitEnded says that agentd-init wrote down the end of its last step, with InitCode. It is the session's own claim:
	// it can confirm what the engine says, and contradict nothing.
	InitEnded bool
	InitCode  int
	// OOM says that the kernel told of an out-of-memory kill in the container's group.
	OOM bool
	// Boot is when the machine was started; zero if unknown.
	Boot time.Time
}

// codeLost is what the engine puts down when it finds a container dead whose shim, the only one who could know, is dead
// too; the time is then that of its finding. A program can exit with 255 as well.
const codeLost = 255

// Judge says how the container ended. The engine's silence is no evidence: call it with an answer of the engine only.
func Judge(c Container, w Witness) Exit {
	exit := Exit{OOM: c.OOMKilled || w.OOM, Error: c.Error}
	exit.HostRestarted = !w.Boot.IsZero() && !c.Started.IsZero() && c.Started.Before(w.Boot)
	switch {
	case c.State.Live():
		exit.Outcome = OutcomeRunning
		return exit
	case c.Started.IsZero():
		exit.Outcome = OutcomeNotStarted
		return exit
	case c.ExitCode == codeLost && (!w.InitEnded || w.InitCode != codeLost), c.State == Dead && c.Finished.IsZero():
		exit.Outcome = OutcomeLost
		return exit
	case exit.HostRestarted && c.Finished.After(w.Boot):
		// Whatever the code: the engine cannot have seen the end of what ended with the machine.
		exit.Outcome = OutcomeLost
		return exit
	}
	exit.Outcome, exit.Code, exit.Time = OutcomeExited, c.ExitCode, c.Finished
	return exit
}
