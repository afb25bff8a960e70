// Package plan is what exactly will happen: a template, the launch's overrides and the facts of the host, resolved into
// plain data that is sorted, printable and stored with the session.
package plan

import (
	"strings"
	"time"
)

// Plan is complete: nothing later reads the template again. Paths are absolute and clean, lists are sorted, no value is
// left to a default of somebody else.
type Plan struct {
	Template TemplateRef `json:"template"`
	Name     string      `json:"name"`
	Tag      string      `json:"tag,omitempty"`
	Type     string      `json:"type"`
	Image    Image       `json:"image"`
	User     User        `json:"user"`
	// Env is what the agent, the template and the launch say; [Plan.Environment] adds the image's and the session's own.
	Env      []Variable `json:"env"`
	Checkout *Checkout  `json:"checkout,omitempty"`
	Mounts   []Mount    `json:"mounts,omitempty"`
	Limits   Limits     `json:"limits"`
	Network  string     `json:"network"`
	Steps    Steps      `json:"steps"`
	// Retry is nil if the session is not tried again.
	Retry *Retry `json:"retry,omitempty"`
	// Keep is how long the session's files outlive it.
	Keep time.Duration `json:"keep"`
	// Notes are what the author should know: what of the image is not used, what will be fetched and why.
	Notes []string `json:"notes,omitempty"`
}

// TemplateRef is the revision that the plan was made from.
type TemplateRef struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Revision int    `json:"revision"`
	Owner    uint32 `json:"owner_uid"`
}

// Image is what to run, on which platform, and when to ask a registry.
type Image struct {
	// Reference is normalised as docker does: host/path:tag or host/path@digest.
	Reference string   `json:"reference"`
	Platform  Platform `json:"platform"`
	// PullPolicy is missing, always or never.
	PullPolicy string `json:"pull_policy"`
	// Pinned is set if it has to be the very image that an earlier session ran.
	Pinned *Pin `json:"pinned,omitempty"`
}

// Pin names one image: by its id, and by the digest that a registry knows it by, if it came from one.
type Pin struct {
	ID     string `json:"id"`
	Digest string `json:"digest,omitempty"`
}

// Platform is an OCI platform.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// String is os/architecture or os/architecture/variant, as docker writes it.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// User is whom the session runs as.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
	// Capabilities are the few that root's own sessions keep; empty for everyone else.
	Capabilities []string `json:"capabilities,omitempty"`
}

// Variable is one environment variable; the list that it is in is sorted by name.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Checkout is the clone to make.
type Checkout struct {
	// Repository is as written; URL is where it is fetched from, after the config's git.instead_of.
	Repository string `json:"repository"`
	URL        string `json:"url"`
	Branch     string `json:"branch,omitempty"`
	Commit     string `json:"commit,omitempty"`
	// Target is the directory inside the session.
	Target     string `json:"target"`
	Submodules bool   `json:"submodules,omitempty"`
	// Depth is the number of commits to fetch; 0 means the whole history of the branch.
	Depth int `json:"depth"`
	// HasCredential is true if a credential comes with the launch; it is never part of the plan.
	HasCredential bool `json:"has_credential,omitempty"`
}

// Outside reports whether the target lies outside of the session's /home/work.
func (c *Checkout) Outside() bool { return !strings.HasPrefix(c.Target, HomeDir+"/") }

// Mount is one directory or file from outside the session.
type Mount struct {
	// Kind is vfolder or host.
	Kind MountKind `json:"kind"`
	// Name is the vfolder's or the named host path's; empty for an absolute host path.
	Name string `json:"name,omitempty"`
	// Root is the directory that the source must lie beneath; Source is the absolute path of the source.
	Root   string `json:"root"`
	Source string `json:"source"`
	// Target is the absolute, clean path in the session.
	Target   string `json:"target"`
	ReadOnly bool   `json:"readonly,omitempty"`
	// Create makes a vfolder's subpath if it is not there.
	Create bool `json:"create,omitempty"`
}

// MountKind says what the source of a mount is.
type MountKind string

// The kinds of mounts.
const (
	MountVFolder MountKind = "vfolder"
	MountHost    MountKind = "host"
)

// Limits are what the session may use at most.
type Limits struct {
	// NanoCPUs is the CPU quota in billionths of a core.
	NanoCPUs int64 `json:"nano_cpus"`
	// MemoryBytes is the limit of memory; there is no swap beyond it.
	MemoryBytes int64 `json:"memory_bytes"`
	// ShmBytes is the size of /dev/shm; 0 means the engine's default of 64 MiB.
	ShmBytes int64 `json:"shm_bytes,omitempty"`
	// Pids bounds processes and threads.
	Pids int64 `json:"pids"`
	// Devices are the other slots, by name, as whole numbers.
	Devices []Device `json:"devices,omitempty"`
}

// Device is an amount of a slot such as cuda.device; the list that it is in is sorted by slot.
type Device struct {
	Slot  string `json:"slot"`
	Count int64  `json:"count"`
}

// Retry says how often, and after what, a batch session is tried again.
type Retry struct {
	// Max is the number of further tries.
	Max int `json:"max" minimum:"0" maximum:"100"`
	// On lists the causes: oom, lost, timeout, failure, or an exit code; empty means failure.
	On []string `json:"on,omitempty"`
}

// Steps are the scripts and their bounds.
type Steps struct {
	Bootstrap        string        `json:"bootstrap,omitempty"`
	BootstrapTimeout time.Duration `json:"bootstrap_timeout"`
	Startup          string        `json:"startup,omitempty"`
	// StartupFromImage runs the image's ENTRYPOINT and CMD as the startup.
	StartupFromImage bool `json:"startup_from_image,omitempty"`
	TTY              bool `json:"tty,omitempty"`
	// Timeout ends the session as a failure; 0 means no limit.
	Timeout time.Duration `json:"timeout,omitempty"`
	// StopGrace is the time between the polite signal and the forced one.
	StopGrace time.Duration `json:"stop_grace"`
	// LogMaxBytes bounds what is kept of the output.
	LogMaxBytes int64 `json:"log_max_bytes"`
}
