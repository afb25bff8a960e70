package plan

import (
	"time"

	"agentd/internal/resource"
)

// Facts are what a plan depends on beside the template and the overrides. They are gathered before, so that resolving is
// pure: the same input gives the same plan.
type Facts struct {
	Agent  Agent
	Caller Caller
	Policy Policy
	// VFolders are the caller's, by name; only those that the template names need be there.
	VFolders map[string]VFolder
	// Slots are what this agent can give at most, less its reserve, by name: cpu in billionths, mem in bytes, others as
	// whole numbers. A slot that is not here is unknown.
	Slots map[string]int64
	// Platforms are the OCI architectures that this host runs, natively or by emulation; the native one is first.
	Platforms []string
}

// Agent is who this agent is.
type Agent struct {
	ID           string
	ScalingGroup string
}

// Caller is whose session it will be.
type Caller struct {
	User User
	Name string
	// Home is his home directory on the host, for mounts under the prefix "~".
	Home string
}

// VFolder is where a vfolder lies on the host.
type VFolder struct {
	Path string
}

// Policy is the part of the configuration that decides what a session is.
type Policy struct {
	PullPolicy       string
	Network          string
	BootstrapTimeout time.Duration
	StopGrace        time.Duration
	KeepFiles        time.Duration
	LogMaxBytes      int64
	Pids             int64
	DefaultCPU       resource.NanoCPU
	DefaultMemory    resource.Bytes
	// Env is the agent's part of the environment.
	Env map[string]string
	// HostPaths are the named ones; Allow are the prefixes under which others may lie, "~" being the caller's home.
	HostPaths map[string]HostPath
	Allow     []string
	// GitSchemes are those that may be fetched; InsteadOf replaces the longest matching prefix of a URL.
	GitSchemes []string
	InsteadOf  map[string]string
}

// HostPath is a named path of the host.
type HostPath struct {
	Path     string
	ReadOnly bool
}
