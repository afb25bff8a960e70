package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"agentd/internal/errs"
)

// Only a container's group that has no process in any hierarchy is empty, and only such a one is removed.
func TestEmptyChildren_NoProcessInAnyHierarchy(t *testing.T) {
	t.Parallel()
	h := &Host{root: t.TempDir(), version: 1}
	empty, busy := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for path, procs := range map[string]string{
		"memory/agentd/" + empty: "", "freezer/agentd/" + empty: "",
		"memory/agentd/" + busy: "", "freezer/agentd/" + busy: "12\n", "memory/agentd/other": "",
	} {
		if err := os.MkdirAll(filepath.Join(h.root, path), 0o755); err != nil {
			t.Fatal(err)
		}
		if procs != "" {
			if err := os.WriteFile(filepath.Join(h.root, path, "cgroup.procs"), []byte(procs), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := h.EmptyChildren("/agentd")
	if err != nil || !slices.Equal(got, []string{empty}) {
		t.Fatalf("empty are %v (%v), want %s", got, err, empty)
	}
	for range 2 {
		if err := h.RemoveChild("/agentd", empty); err != nil {
			t.Error(err)
		}
	}
	if err := h.RemoveChild("/agentd", busy); !errs.Is(err, errs.Conflict) {
		t.Errorf("remove one with a process: %v, want a conflict", err)
	}
	if err := h.RemoveChild("/agentd", "../x"); !errs.Is(err, errs.Internal) {
		t.Errorf("remove what is no container's: %v", err)
	}
}
