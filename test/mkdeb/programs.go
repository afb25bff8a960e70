package main

import (
	"debug/elf"
	"fmt"
	"path/filepath"
)

// programs sees that what is to be packed runs on the machines that the package is for, and needs nothing of them.
func programs(j job) error {
	want, ok := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[j.arch]
	if !ok {
		return fmt.Errorf("architecture %q: want amd64 or arm64", j.arch)
	}
	for _, name := range []string{
		"usr/bin/agentd", "usr/bin/ctl", "usr/lib/agentd/agentd-init", "usr/lib/agentd/agentd-imageprobe",
		"usr/lib/agentd/agentd-helper",
	} {
		f, err := elf.Open(filepath.Join(j.stage, name))
		if err != nil {
			return err
		}
		libraries, err := f.ImportedLibraries()
		f.Close() //nolint:errcheck // nothing was written
		if err != nil || f.Machine != want || len(libraries) > 0 {
			return fmt.Errorf("%s is for %s, and needs %v; want %s, and nothing", name, f.Machine, libraries, want)
		}
	}
	return nil
}
