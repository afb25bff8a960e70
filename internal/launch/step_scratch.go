package launch

import "context"

// scratchStep makes the session's directories on the host.
type scratchStep struct{}

var _ Step = scratchStep{}

func (scratchStep) Name() string       { return StepScratch }
func (scratchStep) Skip(*Attempt) bool { return false }

func (scratchStep) Do(ctx context.Context, a *Attempt) error {
	return a.Scratches.Make(ctx, a.Record())
}

// Undo keeps the scratch: people want their files. It removes what only the running session needed.
func (scratchStep) Undo(ctx context.Context, a *Attempt) error {
	return a.Scratches.Clear(ctx, a.Record())
}
