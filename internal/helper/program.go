package helper

import (
	"os"
	"sync"

	"agentd/internal/errs"
)

// programFD is where the parent put the child's program. It is handed over like the socket, and not started by its number
// in the parent: between fork and exec, Go's runtime moves descriptors about and may put another in that number's place.
const programFD = socketFD + 1

// programPath is the program's name in the child, whose descriptors are in their places when it is started.
const programPath = "/proc/self/fd/4"

// ownProgram is the running program: the same build, even if the file was replaced since.
//
//nolint:gochecknoglobals // one descriptor for the process, opened when it is first needed
var ownProgram = sync.OnceValues(func() (*os.File, error) { return Pin("/proc/self/exe") })

// Pin opens a program for [Starter.Program]: what was there when agentd began is what is started, even if the file is
// replaced by another build's, with which agentd may not speak one language. It stays open as long as the process lives.
func Pin(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.New(errs.Internal, "open the helper's program: %w", err)
	}
	return f, nil
}
