package cli

import (
	"fmt"
	"time"
)

// when is a time as a table tells it: how long ago, or in how long; the date beyond a year.
func when(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	age := now.Sub(t)
	switch {
	case age.Abs() >= 365*24*time.Hour:
		return t.Local().Format(time.DateOnly)
	case age < 0:
		return "in " + span(-age)
	default:
		return span(age) + " ago"
	}
}

// span is a duration in its largest unit, cut, not rounded: nothing is older than it is.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}
