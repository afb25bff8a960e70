package plan_test

import (
	"testing"

	"agentd/internal/plan"
)

func TestRoughAmount_ReadsWellAndPromisesNoMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		slot   string
		amount int64
		want   string
	}{
		{"mem", 24421940 << 10, "23.25g"},
		{"mem", 512 << 20, "512m"},
		{"mem", 512<<20 + 1, "512m"},
		{"mem", 1000, "1000b"},
		{"cpu", 1_500_000_000, "1.5"},
		{"cuda.device", 2, "2"},
	} {
		if got := plan.RoughAmount(c.slot, c.amount); got != c.want {
			t.Errorf("%d of %s: %s, want %s", c.amount, c.slot, got, c.want)
		}
	}
}
