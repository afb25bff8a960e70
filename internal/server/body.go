package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// body takes the read deadline off the connection when all of it has come: net/http goes on reading to notice that the
// client leaves, and a deadline that passes then would end the request of a client who is still there.
type body struct {
	io.ReadCloser
	rc *http.ResponseController
}

// Read reads on.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.rc.SetReadDeadline(time.Time{}) //nolint:errcheck // fails for a closed connection only
	}
	return n, err //nolint:wrapcheck // io.EOF is compared, not unwrapped
}

// Close does nothing: net/http closes the body itself, after the answer. Before it, the close would first wait for up
// to 256 KiB more of a body that is too large already.
func (b *body) Close() error { return nil }
