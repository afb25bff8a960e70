package supervisor

import "agentd/internal/session"

// verdict is how a session is said to have ended.
type verdict struct {
	result  session.Result
	reason  string
	message string
}

// judge is pure: how did a session end whose container did? An outcome that nobody saw is undefined, never success.
func judge(rec session.Record, e Exit, asked, timedOut bool) verdict {
	message := outcomeMessage(e)
	switch {
	case e.HostRestart:
		return verdict{session.Undefined, session.ReasonHostRestart, message}
	case e.EngineEnded && !asked && !timedOut:
		return verdict{session.Undefined, session.ReasonEngine, message}
	case e.Lost:
		return verdict{session.Undefined, session.ReasonLost, message}
	case timedOut:
		return verdict{session.Failure, session.ReasonTimeout, "it ran longer than " + rec.Plan.Steps.Timeout.String()}
	case e.OOM && (e.Code == nil || *e.Code != 0):
		return verdict{session.Failure, session.ReasonOOM, message}
	case asked:
		return verdict{session.Undefined, session.ReasonUser, "ended by its user"}
	case e.Code == nil:
		return verdict{session.Undefined, session.ReasonLost, message}
	case *e.Code == 0:
		return verdict{session.Success, session.ReasonExit, message}
	}
	return verdict{session.Failure, session.ReasonExit, message}
}
