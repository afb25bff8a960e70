package systemd

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"agentd/internal/errs"
)

// SliceLimits are what all units in a slice use together; 0 means no limit of ours.
type SliceLimits struct {
	// NanoCPUs are billionths of a core.
	NanoCPUs int64
	// MemoryBytes is the limit of memory.
	MemoryBytes int64
}

// CapSlice starts the slice and limits it until the next boot. It goes by way of systemd, which would else put back what
// it knows with the next daemon-reload. A slice for which the administrator has settings of his own gets no weaker limits
// than these. The code is unavailable if there is no systemd to talk to, and it needs root.
func CapSlice(ctx context.Context, slice string, l SliceLimits) error {
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return errs.New(errs.Unavailable, "limit %s: reach systemd: %w", slice, err)
	}
	defer conn.Close()
	if _, err := conn.StartUnitContext(ctx, slice, "fail", nil); err != nil {
		return errs.New(errs.Unavailable, "limit %s: start it: %w", slice, err)
	}
	now, err := conn.GetAllPropertiesContext(ctx, slice)
	if err != nil {
		return errs.New(errs.Unavailable, "limit %s: read its settings: %w", slice, err)
	}
	wanted := sliceProperties(l, now)
	if len(wanted) == 0 {
		return nil
	}
	if err := conn.SetUnitPropertiesContext(ctx, slice, true, wanted...); err != nil {
		return errs.New(errs.Unavailable, "limit %s: %w", slice, err)
	}
	return nil
}

// sliceProperties are the settings to be made, given those that are in force.
func sliceProperties(l SliceLimits, now map[string]any) []dbus.Property {
	dropIns, _ := now["DropInPaths"].([]string)
	edited := slices.ContainsFunc(dropIns, func(path string) bool { return !strings.HasPrefix(path, ownDropIns) })
	var out []dbus.Property
	add := func(name string, limit, inForce uint64) {
		if limit != inForce && (!edited || limit < inForce) {
			out = append(out, dbus.Property{Name: name, Value: godbus.MakeVariant(limit)})
		}
	}
	add("MemoryMax", orInfinity(uint64(l.MemoryBytes)), number(now["MemoryMax"]))
	// A core's quota is a second a second.
	add("CPUQuotaPerSecUSec", orInfinity(uint64(l.NanoCPUs/1000)), number(now["CPUQuotaPerSecUSec"]))
	return out
}

// ownDropIns is where systemd keeps what was set at run time.
const ownDropIns = "/run/systemd/system.control/"

func orInfinity(n uint64) uint64 {
	if n == 0 {
		return math.MaxUint64
	}
	return n
}

func number(v any) uint64 {
	if n, ok := v.(uint64); ok {
		return n
	}
	return math.MaxUint64
}
