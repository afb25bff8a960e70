// Package job is what agentd tells agentd-init to do and what agentd-init tells back: the job file and the step results.
package job

import "time"

// Paths inside the container. Dir is bound from the session's directory on the host; only the session's user writes there.
const (
	// InitPath is where agentd-init itself is bound, read-only.
	InitPath = "/.agentd/init"
	// Dir holds the files below.
	Dir = "/.agentd/session"
	// FileName is the job, mode 0400; agentd-init reads it once and removes it.
	FileName = "job.json"
	// SocketName is agentd-init's Unix socket.
	SocketName = "init.sock"
	// LogName is the newest part of the log; older parts have .1 and so on behind it.
	LogName = "log"
	// HomeDir is the session's HOME and working directory.
	HomeDir = "/home/work"
)

// Version is the version of [Job] and of the frames that go with it. agentd serves every version ever released.
const Version = 1

// Job is one session's work. It is complete: from its start agentd-init needs nobody.
type Job struct {
	Version int `json:"version"`
	// Session and Nonce name the session; agentd-init says them back on its socket.
	Session string `json:"session"`
	Nonce   string `json:"nonce"`
	// Batch jobs end with their startup; interactive ones go on until a signal.
	Batch bool `json:"batch"`
	// Env is the whole environment, NAME=VALUE, in order; values may hold newlines.
	Env []string `json:"env"`
	// Dir is the working directory of the steps and of exec.
	Dir string `json:"dir"`
	// Steps run in order; the next one begins when the one before has ended with 0.
	Steps []Step `json:"steps"`
	// StopGrace is the time between the polite signal to the steps and the forced one; 0 means [DefaultStopGrace].
	StopGrace time.Duration `json:"stop_grace"`
	// LogMaxBytes bounds the log's parts together; 0 means [DefaultLogMaxBytes].
	LogMaxBytes int64 `json:"log_max_bytes"`
}

// Names of the steps.
const (
	Bootstrap = "bootstrap"
	Startup   = "startup"
)

// Step is one command.
type Step struct {
	Name string `json:"name"`
	// Argv is run as it is; a script has been made into {"/bin/sh", "-c", script}, or a file for a long one.
	Argv []string `json:"argv"`
	// TTY gives the step a pseudo-terminal.
	TTY bool `json:"tty,omitempty"`
	// Stdin keeps the step's standard input open for the one writer of attach; without it, and without TTY, it is /dev/null.
	Stdin bool `json:"stdin,omitempty"`
	// Timeout ends the step; 0 means none.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Result is how a step went, as agentd-init saw it: written as NAME.begin.json when the step begins and NAME.end.json
// when it has ended, each by rename, so that it is there whole or not at all. It is the session's own claim.
type Result struct {
	Step  string     `json:"step"`
	Begin time.Time  `json:"begin"`
	End   *time.Time `json:"end,omitempty"`
	// ExitCode is the step's own, or 128 plus the number of the signal that ended it.
	ExitCode int `json:"exit_code"`
	// Signal is the name of that signal, such as SIGKILL; empty if it exited.
	Signal string `json:"signal,omitempty"`
	// TimedOut is true if the step's limit ended it.
	TimedOut bool `json:"timed_out,omitempty"`
	// Error is set if the step could not be started at all; ExitCode is then 126 or 127, as a shell would say.
	Error string `json:"error,omitempty"`
}
