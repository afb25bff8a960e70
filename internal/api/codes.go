package api

import "agentd/internal/errs"

// Code is a row of the one table that says what a failure looks like on the wire and at the end of a ctl command.
type Code struct {
	Code errs.Code
	// Status is the HTTP status; 0 for a code that never crosses the wire.
	Status int
	// Exit is the exit status of ctl.
	Exit int
	// Title is the problem's title in the sense of RFC 9457: the same for every occurrence.
	Title string
}

// Codes is that table. Exit statuses: 1 failed, 2 usage, 3 not found, 4 conflict, 5 permission, 6 timed out, 7 no daemon.
func Codes() []Code {
	return []Code{
		{errs.Invalid, 400, 1, "The input breaks a rule"},
		{errs.NotFound, 404, 3, "Not found"},
		{errs.Ambiguous, 409, 4, "Several things fit"},
		{errs.Conflict, 409, 4, "In conflict with what is there"},
		{errs.Stale, 412, 4, "Somebody else changed it first"},
		{errs.Forbidden, 403, 5, "Not permitted"},
		{errs.TooLarge, 413, 1, "Too large"},
		{errs.Unsupported, 501, 1, "This agent cannot do that"},
		{errs.Busy, 429, 1, "Too much at once"},
		{errs.Timeout, 504, 6, "Timed out"},
		{errs.Canceled, 499, 1, "Cancelled"},
		{errs.NoSpace, 507, 1, "No space left"},
		{errs.Damaged, 500, 1, "A stored file is damaged"},
		{errs.Unavailable, 503, 1, "Something that agentd depends on does not answer"},
		{errs.Internal, 500, 1, "Internal error"},
		{errs.NoDaemon, 0, 7, "No agentd to talk to"},
		{errs.Usage, 0, 2, "Wrong usage"},
	}
}

// Lookup returns the row of code; that of Internal for a code that is not in the table.
func Lookup(code errs.Code) Code {
	rows := Codes()
	internal := Code{}
	for _, row := range rows {
		if row.Code == code {
			return row
		}
		if row.Code == errs.Internal {
			internal = row
		}
	}
	return internal
}

// Problem is the body of every failed request: application/problem+json, RFC 9457.
type Problem struct {
	Type   string    `json:"type" doc:"about:blank#CODE; code is the part to act on"`
	Title  string    `json:"title" doc:"what the code means, the same for every occurrence"`
	Status int       `json:"status" doc:"HTTP status"`
	Detail string    `json:"detail" doc:"what happened to what, on one line"`
	Code   errs.Code `json:"code" doc:"stable code of the failure"`
	Hint   string    `json:"hint,omitempty" doc:"what to do about it"`
	// RequestID finds the request in the daemon's log.
	RequestID string         `json:"request_id,omitempty" doc:"finds the request in the daemon's log"`
	Problems  []errs.Problem `json:"problems,omitempty" doc:"all that is wrong with a document"`
}

// ProblemType is the media type of [Problem].
const ProblemType = "application/problem+json"
