package daemon

import (
	"context"
	"log/slog"
	"time"

	"agentd/internal/api"
	"agentd/internal/auditlog"
	"agentd/internal/identity"
	"agentd/internal/layout"
)

// audit records who did what: in files that ctl reads, and in the log, whose fields the journal keeps.
type audit struct {
	record *auditlog.Log
	log    *slog.Logger
}

func openAudit(state layout.State, max int64, log *slog.Logger) (audit, error) {
	record, err := auditlog.Open(state.Audit(), max, time.Now, func(err error) {
		log.Error("the record of who did what is not durable", "error", err)
	})
	return audit{record, log}, err
}

// Record writes an entry. A record that cannot be written stops nobody: what was done is in the log at least.
func (a audit) Record(ctx context.Context, e api.AuditEntry, mayLeaveOut bool) {
	written, err := a.record.Append(e, mayLeaveOut)
	if err != nil {
		a.log.ErrorContext(ctx, "the record of who did what lacks an entry", "error", err)
	} else if !written {
		return
	}
	attrs := []slog.Attr{
		slog.String("action", e.Action), slog.String("outcome", e.Outcome), slog.Uint64("uid", uint64(e.UID)),
		slog.Int64("pid", int64(e.PID)),
	}
	if e.Owner != nil {
		attrs = append(attrs, slog.Uint64("owner", uint64(*e.Owner)))
	}
	for _, a := range []slog.Attr{
		slog.String("ref", e.Ref), slog.String("session", e.Session), slog.String("template", e.Template),
		slog.String("vfolder", e.VFolder), slog.String("code", e.Code), slog.String("reason", e.Reason),
		slog.String("request", e.Request),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}

// Entries is the caller's part of the record: what he did, and what others did with what is his.
func (a audit) Entries(caller identity.Caller, q api.AuditQuery, since time.Time) ([]api.AuditEntry, error) {
	query := auditlog.Query{Since: since, By: q.UID, Session: q.Session, Template: q.Template, Limit: q.Limit}
	if !q.AllUsers {
		query.Of = &caller.UID
	}
	return a.record.Read(query) //nolint:wrapcheck // it names the file and the step
}
