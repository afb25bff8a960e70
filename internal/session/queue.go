package session

import "time"

// Queue is what was asked about when, after what and how often a session starts, and its place among those that wait. It
// outlives agentd: the order of the queue is on disk.
type Queue struct {
	// Sequence is the order of arrival; 0 in records that are older than the queue.
	Sequence int64 `json:"sequence"`
	// Priority is from 0 to 100.
	Priority int `json:"priority"`
	// StartsAt is the earliest start.
	StartsAt *time.Time   `json:"starts_at,omitempty"`
	After    []Dependency `json:"after,omitempty"`
	Array    *Array       `json:"array,omitempty"`
	Retry    *Tries       `json:"retry,omitempty"`
	// Remove forgets the session soon after its end.
	Remove bool `json:"remove,omitempty"`
}

// Due reports whether what runs of the session has ended, or is to end, and the session is to begin anew: to be tried
// again, or because somebody asked for it. Who asks for its end after that has the last word.
func (r *Record) Due() bool {
	return r.Queue.Retry != nil && r.Queue.Retry.Due || r.Restart && r.Stop == nil
}

// DefaultPriority is that of a launch that asks for none.
const DefaultPriority = 10

// MaxPriority is the highest.
const MaxPriority = 100

// Dependency is a session that has to have ended before.
type Dependency struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Any accepts every end; else only a good one.
	Any bool `json:"any,omitempty"`
	// Outcome is success or failure, put down when that session's record is removed.
	Outcome string `json:"outcome,omitempty"`
}

// Array says that a session is one of several of one launch.
type Array struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Index is this one's number; Count, how many there are.
	Index int `json:"index"`
	Count int `json:"count"`
	// Parallel is how many run at a time; 0 for as many as there is room for.
	Parallel int `json:"parallel,omitempty"`
}

// Tries says how often, and after what, a session is tried again.
type Tries struct {
	// Max is the number of further tries; Done, how many there were.
	Max  int `json:"max"`
	Done int `json:"done,omitempty"`
	// On lists the causes: oom, lost, timeout, failure (any exit code but 0), or an exit code; empty means failure.
	On []string `json:"on,omitempty"`
	// Due is true from the moment that a further try is decided until it begins.
	Due bool `json:"due,omitempty"`
}
