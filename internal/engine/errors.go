package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// explain makes the client's error ours. ctx is the caller's, without the limit of the call, so that who ended it is told
// apart: the caller (canceled, or timeout if it was his deadline) or we (timeout).
func explain(ctx context.Context, host, what string, limit time.Duration, err error) error {
	var own *errs.Error
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return errs.New(errs.Canceled, "%s: %w", what, context.Cause(ctx))
	case ctx.Err() != nil:
		return errs.New(errs.Timeout, "%s: %w", what, context.Cause(ctx))
	case errors.Is(err, context.DeadlineExceeded):
		return errs.New(errs.Timeout, "%s: the Docker Engine at %s did not answer within %v: %w", what, host, limit, err).
			WithHint("see whether it is busy or stuck: docker info; journalctl -u docker")
	case errors.Is(err, fs.ErrPermission):
		return errs.New(errs.Forbidden, "%s: no permission to talk to the Docker Engine at %s: %w", what, host, cause(err)).
			WithHint("run agentd as root, or add its user to the group of that socket and log in again")
	case client.IsErrConnectionFailed(err):
		return errs.New(errs.Unavailable, "%s: the Docker Engine at %s does not answer: %w", what, host, cause(err)).
			WithHint("see whether it runs: systemctl status docker")
	case isCutOff(err):
		return errs.New(errs.Unavailable, "%s: the Docker Engine at %s broke off its answer: %w", what, host, err).
			WithHint("see whether it was restarted: journalctl -u docker")
	}
	return errs.New(codeOf(err), "%s: %w", what, cause(err))
}

// codeOf is the code of an answer of the engine, by its HTTP status; only a full disk has to be read from the words.
func codeOf(err error) errs.Code {
	switch {
	case errdefs.IsNotFound(err):
		return errs.NotFound
	case errdefs.IsConflict(err):
		return errs.Conflict
	case errdefs.IsInvalidArgument(err):
		return errs.Invalid
	case errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err):
		return errs.Forbidden
	case errdefs.IsNotImplemented(err):
		return errs.Unsupported
	case errdefs.IsResourceExhausted(err):
		return errs.Busy
	case saysNoSpace(err.Error()):
		return errs.NoSpace
	}
	// A 500: the engine tried and could not. It is not a fault of ours, and its words are for the person.
	return errs.Unavailable
}

// saysNoSpace reports whether the engine complains about a full disk: it answers 500 for that, with ENOSPC's text.
func saysNoSpace(text string) bool {
	return strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded")
}

// isCutOff reports whether an answer began and did not end, or was no answer of an engine at all.
func isCutOff(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &syntax) || errors.As(err, &kind)
}

// enginePrefix is what the client puts before the engine's own words; ours say it better.
const enginePrefix = "Error response from daemon: "

// cause takes the client's prefix off the text of err and keeps err for errors.As.
func cause(err error) error {
	if dial, ok := errors.AsType[*unreachable](err); ok {
		return dial.err
	}
	text := strings.TrimPrefix(err.Error(), enginePrefix)
	return &told{text: strings.ReplaceAll(strings.TrimSpace(text), "\n", " "), err: err}
}

// told is err in better words.
type told struct {
	text string
	err  error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.err }
