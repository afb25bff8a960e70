package witness_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"agentd/internal/job"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/supervisor"
	"agentd/internal/witness"
)

// engine ends the container when the test says so.
type engine struct {
	end   chan witness.Ending
	claim witness.Claim
}

func (e *engine) Wait(ctx context.Context, _, _ string, claim func() witness.Claim) (witness.Ending, error) {
	select {
	case end := <-e.end:
		e.claim = claim()
		return end, nil
	case <-ctx.Done():
		return witness.Ending{}, ctx.Err()
	}
}

func (e *engine) Signal(context.Context, string, string) error { return nil }

func world(t *testing.T) (*witness.Witness, *engine, string) {
	t.Helper()
	s := layout.Session(t.TempDir())
	if err := os.Mkdir(s.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	e := &engine{end: make(chan witness.Ending, 1)}
	return witness.New(e, func(session.Record) layout.Session { return s }), e, s.Run()
}

// write puts a result in place as agentd-init does.
func write(t *testing.T, dir, name string, r job.Result) {
	t.Helper()
	raw, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestSteps_EachOnceAsItComes(t *testing.T) {
	t.Parallel()
	w, _, dir := world(t)
	now := time.Now()
	write(t, dir, job.BeginName(job.Bootstrap), job.Result{Step: job.Bootstrap, Begin: now})
	told := make(chan supervisor.StepResult, 8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Steps(ctx, session.Record{}, func(r supervisor.StepResult) { told <- r }) }()
	if r := <-told; r.Step != job.Bootstrap || r.Ended {
		t.Errorf("first told is %+v, want the beginning of the bootstrap", r)
	}
	write(t, dir, "rubbish", job.Result{Step: job.Startup})
	write(t, dir, job.EndName(job.Bootstrap), job.Result{Step: job.Bootstrap, Begin: now, End: &now})
	if r := <-told; r.Step != job.Bootstrap || !r.Ended {
		t.Errorf("then told is %+v, want the end of the bootstrap", r)
	}
	write(t, dir, job.BeginName(job.Startup), job.Result{Step: job.Startup, Begin: now})
	if r := <-told; r.Step != job.Startup || r.Ended {
		t.Errorf("last told is %+v, want the beginning of the startup", r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("after a cancel: %v", err)
	}
	if len(told) > 0 {
		t.Errorf("told once more: %+v", <-told)
	}
}

func TestWait_BringsTheFinalResults(t *testing.T) {
	t.Parallel()
	w, e, dir := world(t)
	now := time.Now()
	log := "2026-01-02T03:04:05.123456789Z startup e no such file\n"
	if err := os.WriteFile(filepath.Join(dir, job.LogName), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, job.BeginName(job.Startup), job.Result{Step: job.Startup, Begin: now})
	write(t, dir, job.EndName(job.Startup), job.Result{Step: job.Startup, Begin: now, End: &now, ExitCode: 2})
	code := 2
	e.end <- witness.Ending{Code: &code}
	exit, err := w.Wait(t.Context(), session.Record{})
	if err != nil || *exit.Code != 2 || len(exit.Steps) != 2 {
		t.Fatalf("exit is %+v, %v", exit, err)
	}
	if got := exit.Steps[1].Tail; got != "no such file\n" {
		t.Errorf("the tail of the failed step is %q", got)
	}
	if !e.claim.Ended || e.claim.Code != 2 {
		t.Errorf("the claim is %+v, want an end with 2", e.claim)
	}
}

// The directory is hostile ground: what is no result is passed over, and nothing is followed.
func TestResults_Hostile(t *testing.T) {
	t.Parallel()
	w, e, dir := world(t)
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, filepath.Dir(secret), "secret", job.Result{Step: job.Bootstrap, Begin: time.Now()})
	if err := os.Symlink(secret, filepath.Join(dir, job.BeginName(job.Bootstrap))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, job.EndName(job.Startup)), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	// A result that says it is of another step.
	write(t, dir, job.BeginName(job.Startup), job.Result{Step: job.Bootstrap})
	e.end <- witness.Ending{}
	exit, err := w.Wait(t.Context(), session.Record{})
	if err != nil || len(exit.Steps) != 0 || e.claim.Ended {
		t.Errorf("from a hostile directory came %+v, claim %+v, %v", exit.Steps, e.claim, err)
	}
}
