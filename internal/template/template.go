// Package template is the session template document: what was written, parsed strictly, with every problem and its place.
package template

// Template is what the author of a document said, with the documented defaults filled in. Nothing here is resolved
// against a machine: that is the plan's work.
type Template struct {
	APIVersion string    `json:"api_version"`
	Kind       string    `json:"kind"`
	Metadata   Metadata  `json:"metadata"`
	Spec       Spec      `json:"spec"`
	Extension  Extension `json:"x-agentd"`
}

// Metadata names the template.
type Metadata struct {
	Name string `json:"name"`
	Tag  string `json:"tag,omitempty"`
}

// Spec says what a session of this template is.
type Spec struct {
	Type         SessionType `json:"type"`
	Kernel       Kernel      `json:"kernel"`
	ScalingGroup string      `json:"scaling_group,omitempty"`
	Mounts       []Mount     `json:"mounts,omitempty"`
	Resources    []Resource  `json:"resources,omitempty"`
	AgentList    []string    `json:"agent_list,omitempty"`
}

// SessionType is interactive or batch.
type SessionType string

// The session types that this agent runs.
const (
	Interactive SessionType = "interactive"
	Batch       SessionType = "batch"
)

// Kernel is the container of the session.
type Kernel struct {
	Image string `json:"image"`
	// Architecture is as written, x86_64 by default; [NormalizeArchitecture] gives the OCI name.
	Architecture string `json:"architecture"`
	// Environ is in the order of the document.
	Environ []Variable `json:"environ,omitempty"`
	Run     Run        `json:"run"`
	// Git is nil if nothing is cloned.
	Git *Git `json:"git,omitempty"`
}

// Variable is one environment variable: the text that was written, whatever YAML makes of it.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Run holds the scripts, plain text for the image's /bin/sh.
type Run struct {
	Bootstrap string `json:"bootstrap,omitempty"`
	Startup   string `json:"startup,omitempty"`
}

// Git says what is cloned, and where to.
type Git struct {
	Repository string `json:"repository"`
	Branch     string `json:"branch,omitempty"`
	Commit     string `json:"commit,omitempty"`
	// Credential is nil if none is given.
	Credential *Credential `json:"credential,omitempty"`
	// DestinationDir is as written; empty for the default, /home/work/REPO.
	DestinationDir string `json:"destination_dir,omitempty"`
}

// Credential is what a git host asks for: literals, or references such as ${env:NAME}, ${file:PATH} and
// ${credential:NAME}.
type Credential struct {
	Username string `json:"username"`
	// Password may be [Marker]: the literal is kept apart.
	Password string `json:"password"`
}

// Mount is one entry of spec.mounts, in the order of the document.
type Mount struct {
	// Key is a vfolder (NAME or NAME/subpath), a named host path, or an absolute host path.
	Key string `json:"key"`
	// Target is as written; empty for the default, /home/work/NAME.
	Target   string `json:"target,omitempty"`
	ReadOnly bool   `json:"readonly,omitempty"`
	Subpath  string `json:"subpath,omitempty"`
	// Create makes the subpath of a vfolder if it is not there.
	Create bool `json:"create,omitempty"`
}

// Resource is one slot and its amount as written, in the order of the document.
type Resource struct {
	Slot   string `json:"slot"`
	Amount string `json:"amount"`
}
