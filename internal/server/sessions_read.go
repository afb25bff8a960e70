package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// SessionParam names one session.
type SessionParam struct {
	Ref string `path:"ref" maxLength:"256" doc:"exact id, exact name, or unique prefix of an id, tried in that order"`
}

type sessionsIn struct {
	OwnerParam
	AllUsers bool   `query:"all_users" doc:"everybody's sessions; for administrators only"`
	Ended    bool   `query:"ended" doc:"those that have ended too"`
	After    string `query:"after" maxLength:"256" doc:"the 'next' of the page before"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" doc:"size of the page, 500 by default"`
}

type sessionsOut struct{ Body api.SessionList }

func (x sessionRoutes) list(_ context.Context, caller identity.Caller, in *sessionsIn) (*sessionsOut, error) {
	owner, err := in.uid()
	if err != nil {
		return nil, err
	}
	others := in.AllUsers || owner != nil && *owner != caller.UID
	if err := administrator(caller, others, "sessions"); err != nil {
		return nil, err
	}
	recs := x.Finder.List(caller, others, in.Ended)
	if owner != nil {
		recs = slices.DeleteFunc(recs, func(r session.Record) bool { return r.Owner != *owner })
	}
	page, next := pageOf(recs, in.After, in.Limit)
	list := api.SessionList{Sessions: make([]api.Session, 0, len(page)), Next: next}
	for _, rec := range page {
		waiting := ""
		if !settled(rec.Status) {
			// One that has gone since waits for nothing.
			_, waiting, _ = x.Finder.Find(caller, rec.ID)
		}
		list.Sessions = append(list.Sessions, x.view(rec, waiting))
	}
	return &sessionsOut{list}, nil
}

// administrator refuses what is for administrators only.
func administrator(caller identity.Caller, needed bool, things string) error {
	if !needed || caller.Admin {
		return nil
	}
	return errs.New(errs.Forbidden, "list everybody's %s: only administrators may", things).
		WithHint("leave out --all-users to see your own")
}

// pageOf cuts a page out of records that are sorted, newest first. A cursor tells a place, not a session: it leads on
// also when that session was removed.
func pageOf(recs []session.Record, after string, limit int) (page []session.Record, next string) {
	if limit == 0 {
		limit = api.MaxPage
	}
	cursor := func(r session.Record) string { return fmt.Sprintf("%020d.%s", r.Created.UnixNano(), r.ID) }
	if after != "" {
		begin := slices.IndexFunc(recs, func(r session.Record) bool { return older(cursor(r), after) })
		if begin < 0 {
			return nil, ""
		}
		recs = recs[begin:]
	}
	if len(recs) <= limit {
		return recs, ""
	}
	return recs[:limit], cursor(recs[limit-1])
}

// older reports whether the place a comes behind b: the later time is first, then the smaller id.
func older(a, b string) bool {
	timeA, idA, _ := strings.Cut(a, ".")
	timeB, idB, _ := strings.Cut(b, ".")
	return timeA < timeB || timeA == timeB && idA > idB
}

type sessionInfoOut struct{ Body api.SessionInfo }

func (x sessionRoutes) get(ctx context.Context, caller identity.Caller, in *SessionParam) (*sessionInfoOut, error) {
	rec, waiting, err := x.find(ctx, caller, in.Ref)
	if err != nil {
		return nil, err
	}
	return &sessionInfoOut{x.info(rec, waiting)}, nil
}

type sessionHistoryOut struct{ Body api.SessionHistory }

func (x sessionRoutes) history(
	ctx context.Context, caller identity.Caller, in *SessionParam,
) (*sessionHistoryOut, error) {
	rec, _, err := x.find(ctx, caller, in.Ref)
	return &sessionHistoryOut{api.SessionHistory{ID: rec.ID, History: rec.History}}, err
}
