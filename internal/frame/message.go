package frame

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"agentd/internal/errs"
	"agentd/internal/job"
)

// States of agentd-init, as [Hello] and [Status] tell them.
const (
	// StateWarm: there is no job yet.
	StateWarm = "warm"
	// StateRunning: a step runs or is about to.
	StateRunning = "running"
	// StateIdle: an interactive session whose steps have ended.
	StateIdle = "idle"
	// StateStopping: everything was asked to end.
	StateStopping = "stopping"
)

// Hello is the first frame of agentd-init on every connection that was dialed. It is the session's own claim.
type Hello struct {
	// Frame is the sender's version of this format; Build its build stamp.
	Frame int    `json:"frame"`
	Build string `json:"build"`
	// Session and Nonce are the job's; before there is one, those of the container's environment.
	Session string `json:"session"`
	Nonce   string `json:"nonce"`
	// PID is agentd-init's own in its namespace: 1.
	PID   int    `json:"pid"`
	State string `json:"state"`
}

// Operations. Who does not know one answers it with the code unsupported.
const (
	OpPing    = "ping"
	OpStart   = "start"
	OpExec    = "exec"
	OpAttach  = "attach"
	OpSignal  = "signal"
	OpStats   = "stats"
	OpForward = "forward"
	OpAdopt   = "adopt"
	OpCopyIn  = "copy-in"
	OpCopyOut = "copy-out"
)

// Request asks for one operation; the field of that operation's name holds its arguments.
type Request struct {
	Op      string   `json:"op"`
	Start   *job.Job `json:"start,omitempty"`
	Exec    *Exec    `json:"exec,omitempty"`
	Attach  *Attach  `json:"attach,omitempty"`
	Signal  *Signal  `json:"signal,omitempty"`
	Forward *Forward `json:"forward,omitempty"`
	CopyIn  *Copy    `json:"copy_in,omitempty"`
	CopyOut *Copy    `json:"copy_out,omitempty"`
	// Adopt is the operation to perform on the connection whose descriptor follows.
	Adopt *Request `json:"adopt,omitempty"`
}

// Exec runs a command beside the steps.
type Exec struct {
	Argv []string `json:"argv"`
	// Env is added to the job's; a name in both has the value of this one.
	Env []string `json:"env,omitempty"`
	// Dir is the working directory; empty means the job's.
	Dir string `json:"dir,omitempty"`
	// TTY gives it a pseudo-terminal of that Size, else it has pipes.
	TTY  bool `json:"tty,omitempty"`
	Size Size `json:"size,omitzero"`
	// Stdin is whether there will be stdin frames; without, the command has /dev/null.
	Stdin bool `json:"stdin,omitempty"`
}

// Attach joins the standard input and output of the startup step, from the newest output on.
type Attach struct {
	// Stdin asks to be the one writer; a second one is refused with the code conflict.
	Stdin bool `json:"stdin,omitempty"`
	// Size is set on the step's pseudo-terminal, if it has one and Stdin is true.
	Size Size `json:"size,omitzero"`
}

// Signal sends a signal to the process group of an exec, or of the running step.
type Signal struct {
	// PID is the exec's as [Started] told it; 0 means the running step.
	PID int `json:"pid,omitempty"`
	// Name is a signal's name without SIG, such as TERM.
	Name string `json:"name"`
}

// Forward opens a connection from inside the session.
type Forward struct {
	// Network is tcp or unix.
	Network string `json:"network"`
	// Address is IP:PORT or localhost:PORT, or a path. Names are not looked up.
	Address string `json:"address"`
}

// Copy brings files in, or takes them out; package filecopy has what follows on the connection.
type Copy struct {
	// Path is the destination of a copy-in, the source of a copy-out; a relative one is below the session's /home/work.
	Path string `json:"path"`
	// Contents means what is in a directory, not the directory itself.
	Contents bool `json:"contents,omitempty"`
	// Resume leaves alone what is there already, and goes on with a file where an earlier copy broke off.
	Resume bool `json:"resume,omitempty"`
	// Count asks a copy-out how much there is before it begins.
	Count bool `json:"count,omitempty"`
}

// Size is a terminal's, in characters; the zero Size means that it is not known.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// Append appends the payload of a resize frame.
func (s Size) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, s.Rows)
	return binary.BigEndian.AppendUint16(dst, s.Cols)
}

// ParseSize reads the payload of a resize frame.
func ParseSize(payload []byte) (Size, error) {
	if len(payload) != 4 {
		return Size{}, fmt.Errorf("resize with %d bytes: %w", len(payload), ErrFormat)
	}
	return Size{Rows: binary.BigEndian.Uint16(payload), Cols: binary.BigEndian.Uint16(payload[2:])}, nil
}

// Started says that an exec or attach goes on from here.
type Started struct {
	// PID is the process in the session's own numbers, for [Signal].
	PID int `json:"pid"`
	// TTY is whether it has a pseudo-terminal.
	TTY bool `json:"tty,omitempty"`
}

// Exit is how a command ended.
type Exit struct {
	// Code is the command's own, or 128 plus the number of the signal that ended it; 126 or 127 if it could not start.
	Code int `json:"code"`
	// Signal is the name of that signal, such as SIGKILL.
	Signal string `json:"signal,omitempty"`
	// Error says why it could not be started.
	Error string `json:"error,omitempty"`
}

// Status is the answer to a ping.
type Status struct {
	State string `json:"state"`
	// Results are those of the steps that have begun, in order; the same as in the files.
	Results []job.Result `json:"results,omitempty"`
	// LogDropped counts the lines that the log had to drop because its disk was full.
	LogDropped int64 `json:"log_dropped,omitempty"`
}

// Stats is what agentd-init can count without privileges.
type Stats struct {
	Processes int   `json:"processes"`
	Threads   int   `json:"threads"`
	RSSBytes  int64 `json:"rss_bytes"`
	// CPUTicks is the time of the living processes and of their ended children, in USER_HZ (1/100 s).
	CPUTicks int64 `json:"cpu_ticks"`
	// Connections are those that are open on the socket, this one included.
	Connections int `json:"connections"`
	// Cgroup has the text of the files of its own cgroup that it may read, by name.
	Cgroup map[string]string `json:"cgroup,omitempty"`
}

// Failure is the payload of an error frame.
type Failure struct {
	Code    errs.Code `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

// WriteJSON sends v as the payload of one frame.
func (w *Writer) WriteJSON(t Type, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("frame of type %d: %w", t, err)
	}
	return w.Write(t, payload)
}
