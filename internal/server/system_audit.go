package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

type auditIn struct {
	AllUsers bool   `query:"all_users" doc:"of everybody; for administrators only"`
	Since    string `query:"since" maxLength:"64" doc:"time in RFC 3339, or duration before now, such as 24h"`
	User     string `query:"user" pattern:"^[0-9]{1,10}$" doc:"uid of who did it"`
	Session  string `query:"session" maxLength:"256" doc:"id or name of a session"`
	Template string `query:"template" maxLength:"256" doc:"id or name of a template"`
	Limit    int    `query:"limit" minimum:"1" maximum:"10000" doc:"how many of the newest, 10000 by default"`
}

type auditOut struct{ Body api.AuditList }

func (s *Server) registerAudit(a huma.API) {
	if s.opt.Audit == nil {
		return
	}
	handle(a, route{method: http.MethodGet, path: api.PathSystemAudit, name: "get-system-audit",
		summary: "Who did what: the caller, and others with what is his", tag: "system"}, s.auditEntries)
}

func (s *Server) auditEntries(_ context.Context, caller identity.Caller, in *auditIn) (*auditOut, error) {
	if err := administrator(caller, in.AllUsers, "actions"); err != nil {
		return nil, err
	}
	from, err := since(in.Since, time.Now())
	if err != nil {
		return nil, err
	}
	q := api.AuditQuery{AllUsers: in.AllUsers, Session: in.Session, Template: in.Template, Limit: in.Limit}
	if in.User != "" {
		uid, err := strconv.ParseUint(in.User, 10, 32)
		if err != nil {
			return nil, errs.New(errs.Invalid, "user=%s is not a uid", in.User)
		}
		q.UID = new(uint32(uid))
	}
	if q.Limit == 0 {
		q.Limit = api.MaxAudit
	}
	entries, err := s.opt.Audit.Entries(caller, q, from)
	if entries == nil {
		entries = []api.AuditEntry{}
	}
	return &auditOut{api.AuditList{SchemaVersion: api.SchemaVersion, Entries: entries}}, err
}
