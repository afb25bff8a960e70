package store

import (
	"bytes"
	"context"
	"crypto/rand"

	"agentd/internal/atomicfile"
	"agentd/internal/errs"
	"agentd/internal/layout"
)

// Probe writes a file and reads it back: nil says that the store can keep what it is given. It waits for a slow disk
// only as long as ctx does. Templates that wait for a restart, because a sync failed, make it fail too.
func (s *Store) Probe(ctx context.Context) error {
	if !s.probing.TryLock() {
		return errs.New(errs.Unavailable, "an earlier probe of the state directory has not come back").
			WithHint("the disk of the state directory does not answer: see dmesg")
	}
	done := make(chan error, 1)
	go func() {
		defer s.probing.Unlock()
		done <- s.probe()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errs.New(errs.Timeout, "probe the state directory %s: %w", s.state, context.Cause(ctx))
	}
}

// probe is Probe without a bound.
func (s *Store) probe() error {
	want := []byte(rand.Text() + "\n")
	if err := atomicfile.Write(s.state.Probe(), want, layout.ModePrivate); err != nil {
		return failure(err, "probe the state directory: write")
	}
	got, err := atomicfile.Read(s.state.Probe(), maxSmallFile)
	if err != nil {
		return failure(err, "probe the state directory: read back")
	}
	if !bytes.Equal(got, want) {
		return errs.New(errs.Damaged, "probe the state directory: what is read back is not what was written")
	}
	s.ballast.refill()
	return s.templates.doubt()
}
