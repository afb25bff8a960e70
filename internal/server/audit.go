package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/session"
)

// auditor records who did what. Record returns when the entry outlives the end of agentd; one that may be left out is, if
// one like it was recorded a moment ago.
type auditor interface {
	Record(ctx context.Context, e api.AuditEntry, mayLeaveOut bool)
	// Entries is the caller's own part, or all.
	Entries(caller identity.Caller, q api.AuditQuery, since time.Time) ([]api.AuditEntry, error)
}

// maxReason bounds the text of a reason in bytes.
const maxReason = 512

// note is what will be said of a request in the record of who did what. One goroutine has it.
type note struct {
	action   string
	err      error
	subjects []subject
	// secret is true for a reading that shows what is kept apart.
	secret bool
}

// subject is a thing that a request was about.
type subject struct {
	owner                  uint32
	session, sessionName   string
	template, templateName string
	vfolder                string
}

type noteKey struct{}

// noteOf is the request's note; a request without one, of a test, has one that nobody reads.
func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return &note{}
}

// about notes the session that a request is about.
func about(ctx context.Context, rec session.Record) {
	n := noteOf(ctx)
	n.subjects = append(n.subjects, ofRecord(rec))
}

func ofRecord(rec session.Record) subject {
	return subject{
		owner: rec.Owner, session: rec.ID, sessionName: rec.Plan.Name, template: rec.Plan.Template.ID,
		templateName: rec.Plan.Template.Name,
	}
}

func ofTemplate(t api.Template) subject {
	return subject{owner: t.OwnerUID, template: t.ID, templateName: t.Name}
}

// find finds a session as the caller, and notes it.
func (x sessionRoutes) find(ctx context.Context, caller identity.Caller, ref string) (session.Record, string, error) {
	rec, waiting, err := x.Finder.Find(caller, ref)
	if err == nil {
		about(ctx, rec)
	}
	return rec, waiting, err
}

// look notes a reading that shows secrets, or may be of somebody else's template.
func (t Templates) look(ctx context.Context, caller identity.Caller, owner *uint32, ref string, secret bool) {
	n := noteOf(ctx)
	n.secret = secret
	if !caller.Admin {
		return // it is his own, or none
	}
	if tpl, err := t.Reader.Get(ctx, caller, owner, ref); err == nil {
		n.subjects = append(n.subjects, ofTemplate(tpl))
	}
}

// answered notes what a handler's answer is about.
func (n *note) answered(out any) {
	switch v := out.(type) {
	case *writtenOut:
		n.subjects = append(n.subjects, ofTemplate(v.Body.Template))
	case *writtenListOut:
		for _, w := range v.Body.Written {
			n.subjects = append(n.subjects, ofTemplate(w.Template))
		}
	case *templateOut:
		n.subjects = append(n.subjects, ofTemplate(v.Body))
	case *saveOut:
		if v.Body.Written != nil {
			n.subjects = append(n.subjects, ofTemplate(v.Body.Written.Template))
		}
	case *sessionOut:
		s := v.Body
		n.subjects = append(n.subjects, subject{
			owner: s.OwnerUID, session: s.ID, sessionName: s.Name, template: s.Template.ID, templateName: s.Template.Name,
		})
	case *vfolderOut:
		n.subjects = append(n.subjects, subject{owner: v.Body.OwnerUID, vfolder: v.Body.Name})
	}
}

// looks are the operations that change nothing, in spite of their method, or come in swarms: they are recorded as readings
// are.
func looks(action string) bool {
	return slices.Contains([]string{"plan-session", "validate-templates", "forward-into-session"}, action)
}

// audit records a request, before the first byte of its answer. Every change is recorded, and every try of one; of
// readings those that were refused, those of what is somebody else's, and those of secrets.
func (s *Server) audit(r *http.Request, status int) {
	if s.opt.Audit == nil {
		return
	}
	ctx := r.Context()
	caller, known := identity.From(ctx)
	n := noteOf(ctx)
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead || looks(n.action)
	code := errs.CodeOf(n.err)
	denied := n.err != nil && slices.Contains([]errs.Code{errs.Forbidden, errs.NotFound, errs.Busy}, code)
	foreign := slices.ContainsFunc(n.subjects, func(x subject) bool { return x.owner != caller.UID })
	switch {
	case !known, n.action == "" && code != errs.Forbidden && code != errs.Busy:
		return // there is nobody, or no such route
	case reading && !denied && !foreign && !n.secret && n.action != "forward-into-session":
		return
	}
	e := api.AuditEntry{
		Time: time.Now().UTC(), UID: caller.UID, PID: caller.PID, Action: n.action, Outcome: api.OutcomeDone,
		Ref: r.PathValue("ref") + r.PathValue("name"), Request: requestID(ctx),
	}
	if e.Action == "" {
		e.Action = "request"
	}
	if n.err != nil {
		e.Outcome, e.Code, e.Reason = outcome(code, status), string(code), reason(n.err)
	}
	for _, x := range slices.Concat(n.subjects, make([]subject, max(0, 1-len(n.subjects)))) {
		if len(n.subjects) > 0 {
			e.Owner = new(x.owner)
		}
		e.Session, e.SessionName, e.Template, e.TemplateName, e.VFolder =
			x.session, x.sessionName, x.template, x.templateName, x.vfolder
		s.opt.Audit.Record(ctx, e, reading || n.action == "")
	}
}

// outcome tells what the caller may not have from what could not be done.
func outcome(code errs.Code, status int) string {
	if status >= http.StatusInternalServerError && code != errs.Unsupported && code != errs.Busy || code == errs.Canceled {
		return api.OutcomeFailed
	}
	return api.OutcomeRefused
}

// reason is an error's sentence, without the list of what is wrong with a document; what is internal stays in the log.
func reason(err error) string {
	if errs.CodeOf(err) == errs.Internal {
		return "internal error"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}
