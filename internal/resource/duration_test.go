package resource_test

import (
	"testing"
	"time"

	"agentd/internal/errs"
	"agentd/internal/resource"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0": 0, "0s": 0, "30s": 30 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour,
		"2d": 48 * time.Hour, "1w": 168 * time.Hour, "1h30m": 90 * time.Minute, "1w2d3h4m5s": 219*time.Hour + 4*time.Minute + 5*time.Second,
		"1.5h": 90 * time.Minute, "0.5": 500 * time.Millisecond, "1h30.5s": time.Hour + 30500*time.Millisecond, "720h": 720 * time.Hour,
	} {
		if got, err := resource.ParseDuration(in); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "s", "1x", "1ms", "-5s", "+5s", "30m1h", "1h1h", "1h30", "1h 30m", " 1h", "1h ", "1:30", "1..5h", "forever", "1e3",
		"99999999999w", "9999999999999999999999999999999999999999999",
	} {
		if got, err := resource.ParseDuration(in); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseDuration(%q) = %s, %v; want a problem", in, got, err)
		}
	}
}
