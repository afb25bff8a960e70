package sessioninit

import (
	"context"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/filecopy"
	"agentd/internal/frame"
	"agentd/internal/job"
)

// copyFiles copies in or out, with the session's own rights, to or from anywhere in the container; exactly one of the two
// is not nil.
func (in *initd) copyFiles(c *client, to, from *frame.Copy) error {
	asked := to
	if asked == nil {
		asked = from
	}
	path, err := insidePath(asked.Path)
	if err != nil {
		return err
	}
	return filecopy.Serve(context.Background(), c.Conn, filecopy.Anywhere{}, path, to, from)
}

// insidePath is a path of a request from the session's home; what its end says (a slash, a dot) is kept.
func insidePath(path string) (string, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return "", errs.New(errs.Invalid, "copy: a NUL byte in the path")
	}
	if strings.HasPrefix(path, "/") {
		return path, nil
	}
	return job.HomeDir + "/" + path, nil
}
