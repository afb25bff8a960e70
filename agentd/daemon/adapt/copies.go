package adapt

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/filecopy"
	"agentd/internal/frame"
	"agentd/internal/helper"
	"agentd/internal/job"
	"agentd/internal/session"
)

// opCopy is the helper's operation that serves a copy.
const opCopy = "copy"

// copyJob is what a child is asked to do on the connection that comes with it.
type copyJob struct {
	// Root is the session's /home/work on the host.
	Root    string          `json:"root"`
	Request json.RawMessage `json:"request"`
}

// Copy serves a copy from or to the files of a session that has ended, in a child that is their owner: whatever the
// session's code has left there leads no further than its owner, and not out of the session's directory.
func (i *Inits) Copy(ctx context.Context, rec session.Record, req json.RawMessage, fd int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return errs.New(errs.Internal, "copy: %w", err)
	}
	conn := os.NewFile(uintptr(own), "client")
	defer conn.Close() //nolint:errcheck // the child has it
	root := i.Host.State.User(rec.Owner).Scratch(rec.ID)
	return helpBy(i.Host.Helper, rec.Plan.User, func(s *helper.Session) error { //nolint:contextcheck // see help
		_, err := s.Exchange(ctx, helper.Exchange{
			Op: opCopy, Request: copyJob{Root: root, Request: req}, Send: []*os.File{conn},
		})
		return err
	})
}

// serveCopy is the child's part.
func serveCopy(ctx context.Context, c *helper.Call) (any, error) {
	var j copyJob
	if err := c.Decode(&j); err != nil {
		return nil, err
	}
	var req frame.Request
	if err := json.Unmarshal(j.Request, &req); err != nil || (req.CopyIn == nil) == (req.CopyOut == nil) {
		return nil, errs.New(errs.Invalid, "copy: not a request to copy")
	}
	if len(c.Files()) != 1 {
		return nil, errs.New(errs.Internal, "copy: no connection came along")
	}
	conn, err := net.FileConn(c.Files()[0])
	if err != nil {
		return nil, errs.New(errs.Internal, "copy: %w", err)
	}
	defer conn.Close() //nolint:errcheck // all was said
	root, err := os.OpenRoot(j.Root)
	if err != nil {
		return nil, errs.New(errs.NotFound, "the session's files are gone: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written through it
	asked := req.CopyIn
	if asked == nil {
		asked = req.CopyOut
	}
	at, err := leftPath(asked.Path)
	if err != nil {
		return nil, err
	}
	return nil, filecopy.Serve(ctx, conn, root, at, req.CopyIn, req.CopyOut)
}

// leftPath is a path of a request below the session's home, the only part of it that is left after its end; a slash or
// a dot at its end is kept.
func leftPath(asked string) (string, error) {
	at := asked
	if !strings.HasPrefix(at, "/") {
		at = job.HomeDir + "/" + at
	}
	end := ""
	switch {
	case strings.HasSuffix(at, "/."):
		end = "/."
	case strings.HasSuffix(at, "/"):
		end = "/"
	}
	at = path.Clean(at)
	if at == job.HomeDir {
		return "." + end, nil
	}
	below, ok := strings.CutPrefix(at, job.HomeDir+"/")
	if !ok {
		return "", errs.New(errs.NotFound, "%s: the session has ended, and only its %s is left", asked, job.HomeDir)
	}
	return below + end, nil
}
