// Package unixsock listens on and dials agentd's Unix socket, and says who is at the other end.
package unixsock

import (
	"path/filepath"

	"agentd/internal/errs"
)

// MaxPath is the longest path of a Unix socket in bytes: sun_path of unix(7) has 108, one of them for the final NUL.
const MaxPath = 107

// checkPath refuses a path that the kernel would refuse with a bare EINVAL, or that would depend on the directory that
// the process happens to stand in.
func checkPath(path string) error {
	if !filepath.IsAbs(path) {
		return errs.New(errs.Invalid, "socket path %q is not absolute", path)
	}
	if len(path) > MaxPath {
		return errs.New(errs.Invalid, "socket path %s has %d bytes; a Unix socket's path has at most %d",
			path, len(path), MaxPath).WithHint("choose a shorter directory for the socket")
	}
	return nil
}
