package session

import (
	"time"

	"agentd/internal/plan"
)

// Record is all that is known of one session; package supervisor alone changes it. What it says was decided at the launch
// never changes; how far the session is changes only through [Record.Enter].
type Record struct {
	// ID is short and random; Nonce proves that an object of the engine is this session's.
	ID    string `json:"id"`
	Nonce string `json:"nonce"`
	// Owner is whose session it is; Submitter, who asked for it (an administrator may for another).
	Owner     uint32 `json:"owner_uid"`
	Submitter uint32 `json:"submitter_uid"`
	OwnerName string `json:"owner_name"`
	// Home is the owner's home directory on the host.
	Home string `json:"home,omitempty"`
	// IdempotencyKey finds a launch again whose answer was lost.
	IdempotencyKey string            `json:"idempotency_key,omitempty"`
	Plan           plan.Plan         `json:"plan"`
	Provenance     []plan.Provenance `json:"provenance"`
	Created        time.Time         `json:"created_at"`
	Queue          Queue             `json:"queue"`

	// Sequence counts the writes of the record; it orders them, whatever the clock did.
	Sequence int          `json:"sequence"`
	Status   Status       `json:"status"`
	History  []Transition `json:"history"`
	Result   Result       `json:"result"`
	// ExitCode is the job's, set once somebody saw it.
	ExitCode *int `json:"exit_code,omitempty"`
	// Failure is set in ERROR: which step, why, and the end of its output.
	Failure *Fault `json:"failure,omitempty"`
	// Restart is true from the moment that the session is to begin anew until it does.
	Restart bool `json:"restart,omitempty"`
	// Stop is what was asked of a session that shall end; it outlives a restart of agentd.
	Stop *Stop `json:"stop,omitempty"`

	// Intent is the outside effect that is under way: written before it, cleared after it.
	Intent string `json:"intent,omitempty"`
	Staged Staged `json:"staged"`
	// Steps are the step results as the session claims them, by name.
	Timings []Timing   `json:"timings,omitempty"`
	Started *time.Time `json:"started_at,omitempty"`
	Ended   *time.Time `json:"ended_at,omitempty"`
	// Cleaned is true once nothing of it is left but the record, the logs and the scratch.
	Cleaned bool `json:"cleaned,omitempty"`
	// FilesRemoved is true once the scratch was removed because its time was over.
	FilesRemoved bool `json:"files_removed,omitempty"`
}

// Staged is what exists for the session outside of its record.
type Staged struct {
	ImageID     string `json:"image_id,omitempty"`
	ImageDigest string `json:"image_digest,omitempty"`
	// Commit is the hash that was checked out.
	Commit string `json:"commit,omitempty"`
	// CloneOrigin says how its objects came: "cache" (without the network), "current cache" (the host was asked where its
	// branches are), "updated cache" (what was new was fetched), "host" (all was). CloneCopied says how they got from the
	// owner's cache into the clone: "reflink" or "copy". Both are empty where there is no cache.
	CloneOrigin string `json:"clone_origin,omitempty"`
	CloneCopied string `json:"clone_copied,omitempty"`
	// Binds are names of what the binder holds, one a mount of the plan.
	Binds       []string `json:"binds,omitempty"`
	ContainerID string   `json:"container_id,omitempty"`
	// Applied are the limits that were read back from the kernel.
	Applied *Applied `json:"applied,omitempty"`
	// BootID is the boot of the machine in which the container was started; it is written before the start. Another one
	// later means that the machine was restarted in between.
	BootID string `json:"boot_id,omitempty"`
}

// Begun reports whether it is on record that the container was started.
func (r *Record) Begun() bool {
	return r.Staged.ContainerID != "" && r.Staged.BootID != "" && r.Intent == ""
}

// Applied are limits as the kernel has them.
type Applied struct {
	NanoCPUs    int64  `json:"nano_cpus"`
	MemoryBytes int64  `json:"memory_bytes"`
	Pids        int64  `json:"pids"`
	Cgroup      string `json:"cgroup"`
}

// Fault says why a session never ran, or could not be ended well.
type Fault struct {
	Step    string `json:"step"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Tail is the end of the step's output.
	Tail string `json:"tail,omitempty"`
}

// Stop asks a session to end.
type Stop struct {
	Reason string    `json:"reason"`
	By     uint32    `json:"by_uid"`
	Forced bool      `json:"forced,omitempty"`
	Time   time.Time `json:"time"`
}

// Timing is how long one step of the launch took.
type Timing struct {
	Step  string        `json:"step"`
	Begin time.Time     `json:"begin"`
	Took  time.Duration `json:"took"`
	// Cached is true if there was nothing to do.
	Cached bool `json:"cached,omitempty"`
}
