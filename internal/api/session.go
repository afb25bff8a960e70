package api

import (
	"time"

	"agentd/internal/plan"
	"agentd/internal/session"
)

// Paths of sessions. {ref} is an exact id, an exact name of a living session, or a unique prefix of an id, in that order.
const (
	PathSessions         = "/v1/sessions"
	PathSessionsPlan     = "/v1/sessions/-/plan"
	PathSession          = "/v1/sessions/{ref}"
	PathSessionHistory   = "/v1/sessions/{ref}/history"
	PathSessionLogs      = "/v1/sessions/{ref}/logs"
	PathSessionEvents    = "/v1/sessions/{ref}/events"
	PathSessionTerminate = "/v1/sessions/{ref}/terminate"
	PathSessionExec      = "/v1/sessions/{ref}/exec"
	PathSessionAttach    = "/v1/sessions/{ref}/attach"
	PathSessionForward   = "/v1/sessions/{ref}/forward"
	PathSessionCopy      = "/v1/sessions/{ref}/copy"
	PathEvents           = "/v1/events"
	PathVFolders         = "/v1/vfolders"
	PathVFolder          = "/v1/vfolders/{name}"
	PathSystemInfo       = "/v1/system/info"
	PathSystemDoctor     = "/v1/system/doctor"
)

// IdempotencyHeader carries a key of the client's: a launch sent twice with one key is one launch.
const IdempotencyHeader = "Idempotency-Key"

// FrameProtocol is the Upgrade of [PathSessionExec], [PathSessionAttach], [PathSessionForward] and [PathSessionCopy]: after
// 101 the connection speaks the frames of agentd-init, and the client's first one is its request.
const FrameProtocol = "agentd-frame"

// LaunchRequest asks for a session of a template. The answer to a POST on [PathSessions] is a stream of [Event] as
// server-sent events: the session's steps until it runs, or has failed, or waits as long as was asked for.
type LaunchRequest struct {
	Template string `json:"template" doc:"id, name or id prefix of the template"`
	Revision int    `json:"revision,omitempty" doc:"0 means the newest"`
	// Session asks for the plan of that session once more, with its image and commit; the template is only asked for
	// its secrets.
	Session   string         `json:"session,omitempty" doc:"launch as this session was: its plan, image and commit"`
	Overrides plan.Overrides `json:"overrides"`
	// NoReuse refuses to give back the living session of the same name and plan.
	NoReuse bool `json:"no_reuse,omitempty"`
	// EnqueueOnly ends the stream as soon as the session is accepted.
	EnqueueOnly bool `json:"enqueue_only,omitempty"`
	// MaxWait ends the stream (not the session) after that many seconds; 0 means wait as long as it takes.
	MaxWait int `json:"max_wait_seconds,omitempty" minimum:"0"`
	// What follows is for the queue: when the session starts, after what, and how often.
	Priority *int       `json:"priority,omitempty" minimum:"0" maximum:"100" doc:"10 by default; higher ones start first"`
	StartsAt *time.Time `json:"starts_at,omitempty" doc:"the earliest start"`
	// Depends and DependsAny are references of sessions or arrays.
	Depends    []string    `json:"depends_on,omitempty" maxItems:"1000" doc:"sessions that have to end well before"`
	DependsAny []string    `json:"depends_on_any,omitempty" maxItems:"1000" doc:"sessions that have to end before, however"`
	Array      *ArrayRange `json:"array,omitempty" doc:"several sessions instead of one; the stream then ends at once"`
	Remove     bool        `json:"remove,omitempty" doc:"forget the session, with its logs and files, soon after its end"`
	// Git and Registry are secrets of the caller's, resolved by ctl as the caller. They are never stored.
	Git      *GitAccess     `json:"git,omitempty"`
	Registry *RegistryLogin `json:"registry,omitempty"`
}

// ArrayRange asks for the sessions NAME-FIRST to NAME-LAST.
type ArrayRange struct {
	First int `json:"first" minimum:"0"`
	Last  int `json:"last" minimum:"0"`
	// Parallel is how many of them run at a time; 0 for as many as there is room for.
	Parallel int `json:"parallel,omitempty" minimum:"0"`
}

// GitAccess is how the caller reaches a git host.
type GitAccess struct {
	// Username and Password are what the template's references stand for; empty to use the template's literals.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// SSHAuthSock is the socket of the caller's SSH agent; it is opened as the caller.
	SSHAuthSock string `json:"ssh_auth_sock,omitempty"`
}

// RegistryLogin is the caller's login for the image's registry, from his Docker config.
type RegistryLogin struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identity_token,omitempty"`
}

// Session is what a list and info show.
type Session struct {
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	Tag          string           `json:"tag,omitempty"`
	OwnerUID     uint32           `json:"owner_uid"`
	Type         string           `json:"type"`
	Status       session.Status   `json:"status"`
	Result       session.Result   `json:"result"`
	Reason       string           `json:"reason,omitempty" doc:"slug of the newest line of the history"`
	ExitCode     *int             `json:"exit_code,omitempty"`
	Template     plan.TemplateRef `json:"template"`
	Image        string           `json:"image"`
	Architecture string           `json:"architecture"`
	CreatedAt    time.Time        `json:"created_at"`
	StartedAt    *time.Time       `json:"started_at,omitempty"`
	EndedAt      *time.Time       `json:"ended_at,omitempty"`
	// Waiting says in words what a session that is not yet running waits for.
	Waiting string `json:"waiting,omitempty"`
	// Position is its place in the queue, from 1; absent if it is not in line.
	Position int           `json:"position,omitempty"`
	Queue    session.Queue `json:"queue"`
}

// SessionInfo is all that there is to tell about one session.
type SessionInfo struct {
	Session
	Plan       plan.Plan            `json:"plan"`
	Provenance []plan.Provenance    `json:"provenance"`
	Staged     session.Staged       `json:"staged"`
	Failure    *session.Fault       `json:"failure,omitempty"`
	Timings    []session.Timing     `json:"timings,omitempty"`
	History    []session.Transition `json:"history"`
	// ScratchPath is the session's /home/work on the host; FilesUntil, how long it is kept after the end.
	ScratchPath string     `json:"scratch_path"`
	FilesUntil  *time.Time `json:"files_until,omitempty"`
}

// SessionList is a page of sessions, newest first.
type SessionList struct {
	Sessions []Session `json:"sessions" doc:"newest first"`
	Next     string    `json:"next,omitempty" doc:"pass as 'after' for the next page; absent on the last"`
}

// SessionQuery selects the sessions of a list.
type SessionQuery struct {
	Owner    *uint32
	AllUsers bool
	// Ended asks for those that have ended too.
	Ended bool
	After string
	Limit int
}

// SessionHistory is a session's append-only history.
type SessionHistory struct {
	ID      string               `json:"id"`
	History []session.Transition `json:"history"`
}

// Kinds of [Event].
const (
	EventStatus   = "status"
	EventStep     = "step"
	EventProgress = "progress"
	EventNote     = "note"
	// EventSession is the last event of a launch's stream: the session as it then is.
	EventSession = "session"
	// EventError is the last one of a stream that could not go on.
	EventError = "error"
)

// Event is something that happened to a session.
type Event struct {
	// Sequence orders the events of this agentd since its start; a stream continues after Last-Event-ID.
	Sequence  int64     `json:"sequence"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind" enum:"status,step,progress,note,session,error"`
	SessionID string    `json:"session_id"`
	Name      string    `json:"name"`
	OwnerUID  uint32    `json:"owner_uid"`

	Status  session.Status `json:"status,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Message string         `json:"message,omitempty"`
	// Step is image, checkout, mounts, container, bootstrap or startup; State is begin, end or failed.
	Step  string        `json:"step,omitempty"`
	State string        `json:"state,omitempty"`
	Took  time.Duration `json:"took,omitempty" doc:"nanoseconds"`
	// Done and Total are bytes or objects, by Unit.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Unit  string `json:"unit,omitempty"`

	Created bool     `json:"created,omitempty" doc:"false if a living session was given back"`
	Session *Session `json:"session,omitempty"`
	// Array are all sessions of a launch that asked for several; Session is the first of them.
	Array   []Session `json:"array,omitempty"`
	Problem *Problem  `json:"problem,omitempty"`
}

// TerminateRequest ends a session.
type TerminateRequest struct {
	Force bool `json:"force,omitempty" doc:"do not wait for the grace"`
}

// LogLine is one line of a session's output.
type LogLine struct {
	Time time.Time `json:"time"`
	Step string    `json:"step"`
	// Stream is damaged for a line that is not in the log's format: the session's code can write to the file.
	Stream string `json:"stream" enum:"stdout,stderr,init,damaged"`
	Text   string `json:"text"`
	// Raw is the text if it is not valid UTF-8; Text then has replacements.
	Raw []byte `json:"raw,omitempty" doc:"the text if it is not valid UTF-8, base64"`
	// Partial is true if the line goes on in the next one.
	Partial bool `json:"partial,omitempty"`
	// Problem is set in the last line of a stream that could not go on.
	Problem *Problem `json:"problem,omitempty"`
}

// LogQuery says what of a session's output is wanted.
type LogQuery struct {
	// Follow goes on until the session has ended.
	Follow bool
	// Tail is how many of the last lines to begin with; nil means all.
	Tail *int
	// Since leaves out what is older: a time in RFC 3339, or a duration before now such as 10m; empty means all.
	Since string
	// Step is bootstrap or startup; empty means both.
	Step string
}

// EventQuery says which events are wanted.
type EventQuery struct {
	// Session is a reference; empty means all sessions of the caller's.
	Session string
	// AllUsers asks for everybody's; for administrators.
	AllUsers bool
	// After is the sequence number to go on from; nil means only those to come.
	After *int64
	// Follow waits for those to come; of one session until it has ended.
	Follow bool
}

// VFolder is a directory that outlives sessions.
type VFolder struct {
	Name     string `json:"name"`
	OwnerUID uint32 `json:"owner_uid"`
	Path     string `json:"path" doc:"on the host"`
	// External is true if it lies where its owner said, not under the state directory.
	External  bool      `json:"external,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// VFolderList is the caller's vfolders, sorted by name.
type VFolderList struct {
	VFolders []VFolder `json:"vfolders" doc:"sorted by name"`
}

// VFolderRequest makes a vfolder.
type VFolderRequest struct {
	Name string `json:"name"`
	Path string `json:"path,omitempty" doc:"an existing directory of the caller's; one is made if absent"`
}
