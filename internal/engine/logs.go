package engine

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// Output returns at most limit bytes of each of the container's standard output and standard error, from their beginning.
// For a session that is what agentd-init itself said; the session's log is kept elsewhere.
func (e *Engine) Output(ctx context.Context, id string, limit int64) (stdout, stderr []byte, err error) {
	what := "read the output of container " + quote(id)
	err = e.call(ctx, createTimeout, what, func(ctx context.Context, api *client.Client) error {
		body, err := api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
		if err != nil {
			return err
		}
		defer body.Close() //nolint:errcheck // it was read as far as wanted
		out, errOut := &capped{left: limit}, &capped{left: limit}
		// The frames' own sizes are the container's to choose: what is read in all is bounded too.
		_, err = stdcopy.StdCopy(out, errOut, io.LimitReader(body, 4*limit+4096))
		stdout, stderr = out.Bytes(), errOut.Bytes()
		if errors.Is(err, errFull) {
			return nil
		}
		return err
	})
	return stdout, stderr, err
}

// capped is a buffer that takes no more than a number of bytes.
type capped struct {
	bytes.Buffer
	left int64
}

// errFull ends the copying into a [capped] buffer.
var errFull = errors.New("enough was read")

// Write fails with errFull when the buffer is full.
func (c *capped) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		n, _ := c.Buffer.Write(p[:c.left]) //nolint:errcheck // a Buffer never fails
		c.left = 0
		return n, errFull
	}
	c.left -= int64(len(p))
	return c.Buffer.Write(p)
}
