package api

import "time"

// Paths of what sessions use.
const (
	PathStats        = "/v1/stats"
	PathSessionStats = "/v1/sessions/{ref}/stats"
)

// SessionStats is what a session uses now, and has used.
type SessionStats struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Time time.Time `json:"time" doc:"when it was read"`
	// CPU is the processor time used so far; the difference of two answers over their times is the use.
	CPU       time.Duration `json:"cpu_ns" doc:"processor time used so far, in nanoseconds"`
	Throttled time.Duration `json:"throttled_ns" doc:"time kept waiting by the CPU limit, in nanoseconds"`
	NanoCPUs  int64         `json:"limit_nano_cpus" doc:"the limit, in billionths of a core"`
	// MemoryBytes leaves out what of the page cache can be dropped at once.
	MemoryBytes      int64 `json:"memory_bytes"`
	MemoryPeakBytes  int64 `json:"memory_peak_bytes,omitempty" doc:"the most that was ever used, cache included"`
	MemoryLimitBytes int64 `json:"limit_memory_bytes"`
	Pids             int64 `json:"pids" doc:"processes and threads"`
	PidsLimit        int64 `json:"limit_pids"`
	OOMKills         int64 `json:"oom_kills" doc:"processes that were ended for want of memory"`
	// Pressure is nil where the kernel does not tell it, as with control groups of version 1.
	Pressure *Pressure `json:"pressure,omitempty"`
}

// Pressure is the share of the last ten seconds, in percent, in which some process waited for the resource.
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
}

// StatsList is what the caller's running sessions use, sorted by name.
type StatsList struct {
	Stats []SessionStats `json:"stats" doc:"of the sessions that have a container, newest first"`
}
