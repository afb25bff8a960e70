package api

// SystemInfo is what this agent is, and what it has to give.
type SystemInfo struct {
	SchemaVersion int    `json:"schema_version" doc:"version of this JSON"`
	Version       string `json:"version" doc:"agentd's version"`
	AgentID       string `json:"agent_id"`
	ScalingGroup  string `json:"scaling_group"`
	// Platforms are the OCI architectures that run here, the native one first.
	Platforms []string   `json:"platforms" doc:"architectures that run here, the native one first"`
	Engine    EngineInfo `json:"engine"`
	Slots     []Slot     `json:"slots" doc:"sorted by name"`
	// Sessions counts the living ones of all users.
	Sessions int `json:"sessions" doc:"living sessions of all users"`
}

// EngineInfo is the Docker Engine as it describes itself.
type EngineInfo struct {
	Host          string `json:"host"`
	Version       string `json:"version,omitempty"`
	APIVersion    string `json:"api_version,omitempty"`
	StorageDriver string `json:"storage_driver,omitempty"`
	CgroupDriver  string `json:"cgroup_driver,omitempty"`
	CgroupVersion int    `json:"cgroup_version,omitempty"`
	Rootless      bool   `json:"rootless,omitempty"`
	// Error says why it does not answer; the rest is then empty.
	Error string `json:"error,omitempty" doc:"why the engine does not answer"`
}

// Slot is one kind of resource: cpu in billionths of a core, mem in bytes, others as whole numbers.
type Slot struct {
	Name string `json:"name"`
	// Capacity is what sessions can have in all, less the reserve.
	Capacity int64 `json:"capacity" doc:"what sessions can have in all; cpu in billionths of a core, mem in bytes"`
	Held     int64 `json:"held" doc:"what living sessions hold"`
}

// States of a [Finding].
const (
	FindingOK   = "ok"
	FindingWarn = "warn"
	FindingFail = "fail"
)

// Finding is what the doctor found in one check.
type Finding struct {
	Check  string `json:"check" doc:"stable name of the check"`
	Status string `json:"status" enum:"ok,warn,fail"`
	Detail string `json:"detail" doc:"what was found, in a sentence"`
	Fix    string `json:"fix,omitempty" doc:"what to do about it"`
}

// Doctor is all findings, in the order in which they are best read.
type Doctor struct {
	SchemaVersion int       `json:"schema_version" doc:"version of this JSON"`
	Findings      []Finding `json:"findings"`
}
