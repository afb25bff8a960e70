package main

import (
	"os/exec"
	"testing"
	"time"

	"agentd/internal/testenv"
)

func TestDebianVersion_SortsAsTimeWent(t *testing.T) {
	dpkg := testenv.Tool(t, "dpkg")
	date := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	last := ""
	for _, row := range []struct{ stamp, want string }{
		{"887e0e6", "0~20261123.120000.887e0e6"},
		{"v0.9.0-rc1", "0.9.0~rc1"},
		{"v0.9.0-rc1-3-gabc", "0.9.0~rc1+3.gabc"},
		{"v0.9.0", "0.9.0"},
		{"v0.9.0-3-gabcdef0", "0.9.0+3.gabcdef0"},
		{"v0.9.0-12-gabcdef0-dirty", "0.9.0+12.gabcdef0+dirty"},
		{"1.0.0", "1.0.0"},
	} {
		got, err := debianVersion(row.stamp, date)
		if err != nil || got != row.want {
			t.Errorf("%s: %q, %v; want %q", row.stamp, got, err, row.want)
		}
		if last != "" {
			if err := exec.Command(dpkg, "--compare-versions", last, "lt", got).Run(); err != nil {
				t.Errorf("dpkg: %s is not before %s: %v", last, got, err)
			}
		}
		last = got
	}
	if got, err := debianVersion("a b", date); err == nil {
		t.Errorf("a b: %q, without an error", got)
	}
}
