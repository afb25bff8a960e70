package helper

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// firstProgram is above the descriptors that a child is given: they must not take the program's place.
const firstProgram = 64

// Pin opens a program for [Starter.Program] and returns its path for this process: what was there when agentd began is
// what is started, even if the file is replaced by another build's, with which agentd may not speak one language. It
// stays open as long as the process lives.
func Pin(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", errs.New(errs.Internal, "open the helper's program: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, firstProgram)
	if err != nil {
		return "", errs.New(errs.Internal, "keep the helper's program %s open: %w", path, err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd), nil
}
