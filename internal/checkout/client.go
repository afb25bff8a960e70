package checkout

import (
	"context"
	"encoding/json"
	"errors"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// OperationName is the name of [Operation] in the helper's table.
const OperationName = "checkout"

// Call is what an operation of the helper gets.
type Call interface {
	Decode(v any) error
	Emit(event any) error
}

// Operation is [Run] in a helper's child. remove is the helper's way to remove a tree.
func Operation(ctx context.Context, c Call, remove func(root, path string) error) (Result, error) {
	// The clone's modes are set outright; this is for what the kernel makes in between.
	defer unix.Umask(unix.Umask(0o022))
	var req Request
	if err := c.Decode(&req); err != nil {
		return Result{}, err
	}
	return Run(ctx, req, Hooks{Remove: remove, Report: func(p Progress) {
		c.Emit(p) //nolint:errcheck // if nobody listens any more, the helper ends this process
	}})
}

// Helper is a session of the helper, which acts as one caller.
type Helper interface {
	// Do runs an operation in the child and ends it when ctx ends.
	Do(ctx context.Context, op string, request, result any, event func(json.RawMessage)) error
	Close() error
}

// Client runs checkouts as a caller.
type Client struct {
	// Start makes a helper that is the caller.
	Start func() (Helper, error)
	// Remove removes a tree as the caller by a helper.
	Remove func(ctx context.Context, h Helper, root, path string) error
}

// Checkout makes the clone, or leaves nothing: also if the child is killed, because ctx ended or it needed too much
// memory. The errors are those of [Run] and of the helper.
func (c Client) Checkout(ctx context.Context, req Request, report func(Progress)) (res Result, err error) {
	h, err := c.Start()
	if err != nil {
		return Result{}, err
	}
	err = h.Do(ctx, OperationName, req, &res, func(raw json.RawMessage) {
		var p Progress
		if report != nil && json.Unmarshal(raw, &p) == nil {
			report(p)
		}
	})
	err = errors.Join(err, h.Close())
	if err == nil {
		return res, nil
	}
	// Run removes what it made before it returns; a child that was killed could not. A helper of its own, and not ctx,
	// which may have ended: removal has its own time.
	if undo := c.CleanUp(context.WithoutCancel(ctx), req); undo != nil {
		err = errors.Join(err, undo)
	}
	return Result{}, single(err)
}

// CleanUp removes what an attempt may have left: after a child was killed, or after a restart of agentd.
func (c Client) CleanUp(ctx context.Context, req Request) error {
	h, err := c.Start()
	if err != nil {
		return err
	}
	return errors.Join(c.Remove(ctx, h, req.Root, req.Staging()), h.Close())
}

// single gives the joined errors back as the one that says everything.
func single(err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Error() == err.Error() {
		return e
	}
	return err
}
