package template

import "time"

// Extension is the top-level key x-agentd: what this agent adds to the format, at the one level where Backend.AI
// tolerates keys that it does not know.
type Extension struct {
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Params are in the order of the document.
	Params []Param      `json:"params,omitempty"`
	Git    ExtensionGit `json:"git"`
	// Network is isolated or none; empty means the agent's default.
	Network string `json:"network,omitempty"`
	// TTY gives the startup command a pseudo-terminal.
	TTY bool `json:"tty,omitempty"`
	// Retry is nil if a failed session is not tried again.
	Retry *Retry `json:"retry,omitempty"`
	// Timeout ends a session that runs longer; 0 means no limit.
	Timeout time.Duration `json:"timeout,omitempty"`
	// StartupFrom is StartupFromImage to run the image's ENTRYPOINT and CMD as the startup; empty otherwise.
	StartupFrom string  `json:"startup_from,omitempty"`
	Scratch     Scratch `json:"scratch"`
}

// Values of [Extension].
const (
	NetworkIsolated  = "isolated"
	NetworkNone      = "none"
	StartupFromImage = "image"
)

// Param is a value that the launch may give: ${param:NAME} in environ, run and git stands for it.
type Param struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Default is nil if the launch must give the value.
	Default *string `json:"default,omitempty"`
}

// ExtensionGit tunes the clone.
type ExtensionGit struct {
	Submodules bool `json:"submodules,omitempty"`
	// Depth is the number of commits of history in the clone; 0 means as the agent thinks best.
	Depth int `json:"depth,omitempty"`
}

// Retry runs a batch session again after some kinds of failure.
type Retry struct {
	// Max is the number of further tries, 1 to 100.
	Max int `json:"max"`
	// On lists the causes: oom, lost, timeout, failure, or an exit code from 1 to 255; empty means failure.
	On []string `json:"on,omitempty"`
}

// Scratch is the session's /home/work.
type Scratch struct {
	// Keep is how long the files outlive the session; 0 means the agent's default.
	Keep time.Duration `json:"keep,omitempty"`
}
