// Package launch turns a plan into a running container by ordered steps, each of which can be undone.
package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"agentd/internal/errs"
	"agentd/internal/session"
)

// Step is one part of a launch. Do is called once; Undo may be called whether or not Do was, or succeeded, any number of
// times, in this process or in the next one: it works from the record alone.
type Step interface {
	Name() string
	// Skip reports that the plan gives this step nothing to do.
	Skip(a *Attempt) bool
	Do(ctx context.Context, a *Attempt) error
	Undo(ctx context.Context, a *Attempt) error
}

// undoTimeout bounds each Undo; it runs on a time of its own, whatever became of the launch's context.
const undoTimeout = 60 * time.Second

// Up does the stages in order and stops at the first step that fails. It undoes nothing: Down does, from the record, the
// same way after a failure, after the session's end, and after a crash.
func Up(ctx context.Context, a *Attempt, stages []Stage) error {
	for _, stage := range stages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := sideBySide(ctx, a, stage); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide runs the chains of one stage; the first failure cancels the others, which are waited for.
func sideBySide(ctx context.Context, a *Attempt, stage Stage) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	failures := make([]error, len(stage))
	for i, chain := range stage {
		wg.Go(func() {
			failures[i] = inOrder(ctx, a, chain)
			if failures[i] != nil {
				cancel(failures[i])
			}
		})
	}
	wg.Wait()
	// The one that failed first is the cause; the others only say that they were cancelled.
	if first := context.Cause(ctx); first != nil && slices.ContainsFunc(failures, func(e error) bool { return e != nil }) {
		if _, ok := errors.AsType[*StepError](first); ok {
			return first
		}
	}
	return errors.Join(failures...)
}

// inOrder runs the steps of one chain.
func inOrder(ctx context.Context, a *Attempt, chain Chain) error {
	for _, step := range chain {
		if step.Skip(a) {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := timed(ctx, a, step); err != nil {
			return err
		}
	}
	return nil
}

// timed runs one step, and tells and records how long it took.
func timed(ctx context.Context, a *Attempt, step Step) error {
	begin := a.Clock()
	a.Tell(StepEvent{Step: step.Name(), State: StateBegin})
	err := step.Do(ctx, a)
	took := a.Clock().Sub(begin)
	if err != nil {
		state := StateFailed
		if other, ok := errors.AsType[*StepError](context.Cause(ctx)); ok && ctx.Err() != nil && other.Step != step.Name() {
			// It failed only because the one beside it did, which has been told.
			state, err = StateCancelled, other
		}
		a.Tell(StepEvent{Step: step.Name(), State: state, Took: took, Err: err})
		return &StepError{Step: step.Name(), Err: err}
	}
	a.Change(func(r *session.Record) {
		r.Timings = append(r.Timings, session.Timing{Step: step.Name(), Begin: begin, Took: took})
	})
	a.Tell(StepEvent{Step: step.Name(), State: StateEnd, Took: took})
	return nil
}

// Down undoes all stages, last first, whatever fails, and joins the failures. When it returns nil, nothing is left of
// what the steps made but what the session keeps: its record, its logs and its scratch.
func Down(ctx context.Context, a *Attempt, stages []Stage) error {
	var failures []error
	for _, stage := range slices.Backward(stages) {
		for _, chain := range slices.Backward(stage) {
			for _, step := range slices.Backward(chain) {
				if err := undo(ctx, a, step); err != nil {
					failures = append(failures, fmt.Errorf("undo %s: %w", step.Name(), err))
				}
			}
		}
	}
	return errors.Join(failures...)
}

func undo(ctx context.Context, a *Attempt, step Step) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), undoTimeout,
		errs.New(errs.Timeout, "undo %s: not done within %s", step.Name(), undoTimeout))
	defer cancel()
	return step.Undo(ctx, a)
}

// StepError says which step failed.
type StepError struct {
	Step string
	Err  error
}

// Error is the step and its cause.
func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }
