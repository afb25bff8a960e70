package systemd

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSliceProperties_NeverWeakerThanTheAdministrators(t *testing.T) {
	const inf = uint64(math.MaxUint64)
	for _, row := range []struct {
		name   string
		limits SliceLimits
		now    map[string]any
		want   map[string]uint64
	}{
		{"a fresh one", SliceLimits{MemoryBytes: 1 << 30}, map[string]any{"MemoryMax": inf, "CPUQuotaPerSecUSec": inf},
			map[string]uint64{"MemoryMax": 1 << 30}},
		{"again", SliceLimits{MemoryBytes: 1 << 30}, map[string]any{"MemoryMax": uint64(1 << 30), "CPUQuotaPerSecUSec": inf},
			map[string]uint64{}},
		{"cores", SliceLimits{NanoCPUs: 1_500_000_000, MemoryBytes: 1 << 30}, map[string]any{},
			map[string]uint64{"MemoryMax": 1 << 30, "CPUQuotaPerSecUSec": 1_500_000}},
		{"ours is raised", SliceLimits{MemoryBytes: 2 << 30}, map[string]any{
			"MemoryMax": uint64(1 << 30), "CPUQuotaPerSecUSec": uint64(5),
			"DropInPaths": []string{"/run/systemd/system.control/agentd.slice.d/50-MemoryMax.conf"},
		}, map[string]uint64{"MemoryMax": 2 << 30, "CPUQuotaPerSecUSec": inf}},
		{"the administrator's is not", SliceLimits{MemoryBytes: 2 << 30}, map[string]any{
			"MemoryMax": uint64(1 << 30), "CPUQuotaPerSecUSec": uint64(5),
			"DropInPaths": []string{"/etc/systemd/system/agentd.slice.d/override.conf"},
		}, map[string]uint64{}},
		{"his that is weaker is", SliceLimits{MemoryBytes: 1 << 30}, map[string]any{
			"MemoryMax": uint64(2 << 30), "CPUQuotaPerSecUSec": inf,
			"DropInPaths": []string{"/etc/systemd/system/agentd.slice.d/override.conf"},
		}, map[string]uint64{"MemoryMax": 1 << 30}},
	} {
		got := map[string]uint64{}
		for _, p := range sliceProperties(row.limits, row.now) {
			got[p.Name] = p.Value.Value().(uint64)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}
