package server

import (
	"agentd/internal/api"
	"agentd/internal/session"
)

// view is what a list shows of a record, with its place in the queue.
func (x sessionRoutes) view(rec session.Record, waiting string) api.Session {
	v := sessionView(rec, waiting)
	if !settled(rec.Status) {
		v.Position = x.Queue.Position(rec.ID)
	}
	return v
}

// sessionView is the same of one that does not wait.
func sessionView(rec session.Record, waiting string) api.Session {
	v := api.Session{
		ID: rec.ID, Name: rec.Plan.Name, Tag: rec.Plan.Tag, OwnerUID: rec.Owner, Type: rec.Plan.Type,
		Status: rec.Status, Result: rec.Result, ExitCode: rec.ExitCode, Template: rec.Plan.Template,
		Image: rec.Plan.Image.Reference, Architecture: rec.Plan.Image.Platform.Architecture,
		CreatedAt: rec.Created, StartedAt: rec.Started, EndedAt: rec.Ended, Waiting: waiting, Queue: rec.Queue,
	}
	if n := len(rec.History); n > 0 {
		v.Reason = rec.History[n-1].Reason
	}
	return v
}

// sessionInfo is all of a record that its owner may see: not the nonce, which opens the session's doors.
func (x sessionRoutes) info(rec session.Record, waiting string) api.SessionInfo {
	info := api.SessionInfo{
		Session: x.view(rec, waiting), Plan: rec.Plan, Provenance: rec.Provenance, Staged: rec.Staged,
		Failure: rec.Failure, Timings: rec.Timings, History: rec.History,
	}
	info.ScratchPath, info.FilesUntil = x.Files(rec)
	return info
}

// settled reports whether a launch has come to its end, the good one or another.
func settled(s session.Status) bool {
	return s == session.Running || s == session.Terminating || s.Final()
}
