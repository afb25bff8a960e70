package adapt

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"agentd/internal/session"
)

// maxProven bounds what is remembered of sessions that may have ended long ago.
const maxProven = 1024

// firsts remembers which process is the first of which container, as the engine has said once: a process is never
// another one, so that it need not be asked again on every command that somebody runs in a session.
type firsts struct {
	mu     sync.Mutex
	proven map[string]process
}

// process is one process of this machine's, ever since its boot: a number is used again, but not with the same begin.
type process struct {
	pid   int
	begin string
}

// is reports whether pid is the first process of the session's container; ask asks the engine for it.
func (f *firsts) is(ctx context.Context, rec session.Record, pid int, ask func(context.Context) (int, error)) (bool, error) {
	// Read before the engine is asked: what it says of the number then is true of this process.
	begin, err := processBegin(pid)
	if err != nil {
		return false, err
	}
	is := process{pid, begin}
	f.mu.Lock()
	proven := f.proven[rec.Staged.ContainerID]
	f.mu.Unlock()
	if proven == is {
		return true, nil
	}
	first, err := ask(ctx)
	if err != nil || first != pid {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.proven == nil || len(f.proven) >= maxProven {
		f.proven = map[string]process{}
	}
	f.proven[rec.Staged.ContainerID] = is
	return true, nil
}

// beginField is the number of starttime in /proc/PID/stat, after the name, which may have blanks in it (proc(5)).
const beginField = 22 - 2

// processBegin is when the process began, in the kernel's words.
func processBegin(pid int) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < beginField {
		return "", fmt.Errorf("look at process %d: its state has only %d fields", pid, len(fields))
	}
	return fields[beginField-1], nil
}
