package adapt

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentd/internal/resource"
)

// Machine is what this host can do.
type Machine struct {
	Host *Host
	// ReserveCPU and ReserveMem are what no session gets.
	ReserveCPU resource.NanoCPU
	ReserveMem resource.Bytes
}

// Slots are what there is to give: the engine's machine less the reserve.
func (m *Machine) Slots(ctx context.Context) (map[string]int64, error) {
	info, err := m.Host.Info(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]int64{
		resource.SlotCPU: max(0, int64(info.CPUs)*int64(resource.Core)-int64(m.ReserveCPU)),
		resource.SlotMem: max(0, info.MemoryBytes-int64(m.ReserveMem)),
		// No GPU can be counted yet: asking for one is refused, asking for none is not.
		resource.SlotCUDADevice: 0,
	}, nil
}

// Platforms are the OCI architectures that run here: the native one, and those with an emulator that the kernel holds
// open itself (flag F), since a container has none.
func (m *Machine) Platforms(ctx context.Context) ([]string, error) {
	info, err := m.Host.Info(ctx)
	if err != nil {
		return nil, err
	}
	list := []string{info.Native.Architecture}
	entries, err := filepath.Glob("/proc/sys/fs/binfmt_misc/qemu-*")
	if err != nil {
		return list, nil //nolint:nilerr // the pattern is right: there is nothing to see
	}
	for _, path := range entries {
		arch, ok := emulated(strings.TrimPrefix(filepath.Base(path), "qemu-"))
		text, err := os.ReadFile(path)
		if ok && err == nil && handles(string(text)) && !slices.Contains(list, arch) {
			list = append(list, arch)
		}
	}
	return list, nil
}

// handles reads an entry of binfmt_misc.
func handles(entry string) bool {
	enabled, fixed := false, false
	for line := range strings.Lines(entry) {
		line = strings.TrimSpace(line)
		if line == "enabled" {
			enabled = true
		}
		if flags, ok := strings.CutPrefix(line, "flags: "); ok {
			fixed = strings.Contains(flags, "F")
		}
	}
	return enabled && fixed
}

// emulated is the OCI name of an architecture by qemu's.
func emulated(qemu string) (string, bool) {
	switch qemu {
	case "x86_64":
		return "amd64", true
	case "aarch64":
		return "arm64", true
	case "i386":
		return "386", true
	case "loongarch64":
		return "loong64", true
	case "arm", "riscv64", "ppc64le", "s390x":
		return qemu, true
	}
	return "", false
}
