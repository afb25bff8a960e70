package queue

import (
	"fmt"
	"strings"
	"time"

	"agentd/internal/plan"
)

// Kind is what an entry waits for.
type Kind string

// The kinds of what is waited for.
const (
	none Kind = ""
	// ForStart waits for the earliest start that was asked for.
	ForStart Kind = "start"
	// ForSessions waits for other sessions to end.
	ForSessions Kind = "dependency"
	// ForFetch waits for its image and its clone, or for its turn to fetch them.
	ForFetch Kind = "fetch"
	// ForArray waits because as many of its array run as may.
	ForArray Kind = "array"
	// ForQuota waits because its owner's sessions hold as much as they may.
	ForQuota Kind = "quota"
	// ForSlots waits for slots of the machine.
	ForSlots Kind = "slots"
)

// Kinds lists them in the order of a life.
func Kinds() []Kind { return []Kind{ForStart, ForSessions, ForFetch, ForArray, ForQuota, ForSlots} }

// Verdict is why an entry does not start.
type Verdict struct {
	Kind  Kind
	Owner uint32
	// Position is its place among those that wait for slots or a quota, from 1; 0 for one that is not in line yet.
	Position int
	// Short is what is missing; if there is nothing, it would delay Before.
	Short       []Shortage
	Before      string
	BeforeOwner uint32
	// At is when it starts at the latest, and By the holder that ends then; zero if nobody knows. For [ForStart] it is the
	// start that was asked for.
	At      time.Time
	By      string
	ByOwner uint32
	// Dependency is the first one that is not met.
	Dependency Dependency
	Array      string
	Parallel   int
	// Fetching is true if it fetches, and false if it waits for its turn to.
	Fetching bool
}

// Shortage is a slot of which there is not enough.
type Shortage struct {
	Slot         string
	Needed, Free int64
}

// Text says it in words, for the owner: somebody else's sessions have no names in it. Times are those of a clock on now's
// wall. It is empty for one that fetches: its status says so.
func (v Verdict) Text(now time.Time) string {
	switch v.Kind {
	case none:
		return ""
	case ForStart:
		return "starts at " + v.At.In(now.Location()).Format(time.DateTime) + " at the earliest"
	case ForSessions:
		if v.Dependency.Any {
			return "waits for " + v.Dependency.ID + " to end"
		}
		return "waits for " + v.Dependency.ID + " to end well"
	case ForFetch:
		if v.Fetching {
			return ""
		}
		return "waits for its turn to fetch its image and its repository"
	case ForArray:
		return fmt.Sprintf("%d of its array hold slots, as many as may at a time", v.Parallel)
	case ForQuota, ForSlots:
	}
	if len(v.Short) == 0 {
		return "there is room, but it would delay " + v.whose(v.Before, v.BeforeOwner) + ", which is before it"
	}
	var parts []string
	for _, s := range v.Short {
		parts = append(parts, v.shortage(s))
	}
	text := "needs " + strings.Join(parts, "; ")
	if v.By != "" {
		text += "; " + v.whose(v.By, v.ByOwner) + " ends by " + clock(v.At, now) + " at the latest"
	}
	return text
}

// shortage is one part of the sentence that begins with needs.
func (v Verdict) shortage(s Shortage) string {
	if s.Slot == sessions {
		return "one more session than the quota of its owner allows to run"
	}
	of := ""
	if v.Kind == ForQuota {
		of = " of its owner's quota"
	}
	return fmt.Sprintf("%s %s%s, %s free", plan.FormatAmount(s.Slot, s.Needed), s.Slot, of,
		plan.RoughAmount(s.Slot, s.Free))
}

// whose names a session to its owner only.
func (v Verdict) whose(id string, owner uint32) string {
	if owner == v.Owner {
		return id
	}
	return "another user's session"
}

// clock is a time as people say it on the day of now; it is never too early.
func clock(t, now time.Time) string {
	t = t.Add(time.Minute - 1).In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}
