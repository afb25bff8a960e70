package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

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
	switch req.Act {
	case Confirm:
		return Result{}, req.confirm()
	case Undo:
		return Result{}, req.undo(remove)
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
}

// Checkout makes the clone, or leaves nothing: also if the child is killed, because ctx ended or it needed too much
// memory. The errors are those of [Run] and of the helper.
func (c Client) Checkout(ctx context.Context, req Request, report func(Progress)) (Result, error) {
	h, err := c.Start()
	if err != nil {
		return Result{}, err
	}
	var res Result
	err = h.Do(ctx, OperationName, req, &res, func(raw json.RawMessage) {
		var p Progress
		if report != nil && json.Unmarshal(raw, &p) == nil {
			report(p)
		}
	})
	if err == nil {
		err = h.Do(ctx, OperationName, req.with(Confirm), nil, nil)
	}
	err = errors.Join(err, h.Close())
	if err == nil {
		return res, nil
	}
	// Run removes what it made before it returns; a child that was killed could not. This has a helper of its own, and
	// not ctx, which may have ended.
	return Result{}, single(errors.Join(err, c.Undo(context.WithoutCancel(ctx), req)))
}

// undoTimeout bounds the removal of what an attempt has left.
const undoTimeout = 5 * time.Minute

// Undo removes what an attempt may have left, complete or not: after a child was killed, or after a restart of agentd.
// It never removes what was there before the attempt, and it is safe twice.
func (c Client) Undo(ctx context.Context, req Request) error {
	ctx, cancel := context.WithTimeout(ctx, undoTimeout)
	defer cancel()
	h, err := c.Start()
	if err != nil {
		return err
	}
	return single(errors.Join(h.Do(ctx, OperationName, req.with(Undo), nil, nil), h.Close()))
}

// with is the request for another act, which needs no secret.
func (r Request) with(act Act) Request {
	return Request{Act: act, Root: r.Root, Dir: r.Dir, Attempt: r.Attempt}
}

// single gives the joined errors back as the one that says everything.
func single(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Error() == err.Error() {
		return e
	}
	return err
}
