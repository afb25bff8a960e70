package adapt

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"agentd/internal/session"
)

func TestFirsts_AProcessIsProvenOnceAndNoOtherIs(t *testing.T) {
	t.Parallel()
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()         //nolint:errcheck // killed
	defer child.Process.Kill() //nolint:errcheck // it runs
	asked := 0
	var f firsts
	is := func(container string, pid int) bool {
		t.Helper()
		rec := session.Record{Staged: session.Staged{ContainerID: container}}
		ok, err := f.is(t.Context(), rec, pid, func(context.Context) (int, error) { asked++; return child.Process.Pid, nil })
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for range 2 {
		if !is("c1", child.Process.Pid) || asked != 1 {
			t.Errorf("it is not taken for itself, or the engine was asked %d times, want once", asked)
		}
	}
	if is("c1", os.Getpid()) || asked != 2 {
		t.Errorf("another process was taken for it, or nobody asked (%d)", asked)
	}
	if !is("c2", child.Process.Pid) || asked != 3 {
		t.Errorf("what was proven of one container was believed of another (%d)", asked)
	}
	// The number is used again: the same one with another begin is another process.
	f.proven["c1"] = process{os.Getpid(), "1"}
	if is("c1", os.Getpid()) {
		t.Error("a process that took over the number was taken for it")
	}
}
