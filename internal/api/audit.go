package api

import "time"

// PathSystemAudit tells who did what.
const PathSystemAudit = "/v1/system/audit"

// Outcomes of an [AuditEntry].
const (
	// OutcomeDone is that of what was done, or begun: how a session ends is told by its history.
	OutcomeDone = "done"
	// OutcomeRefused is that of what the caller was not given; OutcomeFailed, of what could not be done.
	OutcomeRefused = "refused"
	OutcomeFailed  = "failed"
)

// AuditEntry is one thing that somebody did, or was refused. It holds no text of a template, no environment and no
// secret.
type AuditEntry struct {
	Time time.Time `json:"time"`
	// UID and PID are who asked, as the kernel said it (SO_PEERCRED) when he connected.
	UID uint32 `json:"uid" doc:"who asked, as the kernel says (SO_PEERCRED)"`
	PID int32  `json:"pid" doc:"his process when he connected; it may be another's by now"`
	// Action is the operation's id, as the API's description has it.
	Action  string `json:"action" doc:"the operation's id, as in openapi.json; 'request' if refused before one was known"`
	Outcome string `json:"outcome" enum:"done,refused,failed"`
	// Code and Reason say why it was not done.
	Code   string `json:"code,omitempty" doc:"the error's code, if it was not done"`
	Reason string `json:"reason,omitempty" doc:"why it was not done"`
	// Ref is what the caller called the thing.
	Ref string `json:"ref,omitempty" doc:"what the caller called the thing"`
	// Owner is whose it is; absent if there is no such thing that the caller may see.
	Owner        *uint32 `json:"owner_uid,omitempty" doc:"whose it is, if the caller may see it"`
	Session      string  `json:"session,omitempty" doc:"id of the session"`
	SessionName  string  `json:"session_name,omitempty"`
	Template     string  `json:"template,omitempty" doc:"id of the template"`
	TemplateName string  `json:"template_name,omitempty"`
	VFolder      string  `json:"vfolder,omitempty" doc:"name of the vfolder"`
	// Request is the id that agentd's log has too.
	Request string `json:"request,omitempty" doc:"the request's id, which agentd's log has too"`
	// Repeated counts entries like this one that were left out since the last of them.
	Repeated int `json:"repeated,omitempty" doc:"how many like this were left out since the last one"`
}

// AuditQuery selects entries. Zero fields select all.
type AuditQuery struct {
	// Since is a time in RFC 3339, or a duration before now.
	Since string
	// UID is who asked.
	UID *uint32
	// Session and Template are ids, names, or what the caller called them.
	Session, Template string
	// AllUsers is for administrators; else those of the caller, and those of others about what is his.
	AllUsers bool
	// Limit is the number of the newest entries; 0 for MaxAudit.
	Limit int
}

// MaxAudit is the largest number of entries in an answer.
const MaxAudit = 10_000

// AuditList is a part of the record, oldest first.
type AuditList struct {
	SchemaVersion int          `json:"schema_version" doc:"version of this JSON"`
	Entries       []AuditEntry `json:"entries" doc:"oldest first"`
}
