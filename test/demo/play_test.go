package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bare is a stage without agentd and engine.
func bare(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir(), uid: os.Getuid(), env: os.Environ(), groups: lookForGroups()}
	if err := os.Mkdir(s.home(), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlay_AStepThatDoesNotDoWhatItSaysFails(t *testing.T) {
	s := bare(t)
	for name, c := range map[string]struct {
		step step
		want string
	}{
		"as it should be": {step{command: "echo one; exit 3", want: []string{"one\n"}, exit: 3}, ""},
		"other status":    {step{command: "exit 3"}, "ended with 3, not 0"},
		"other output":    {step{command: "echo one", want: []string{"two"}}, `did not say "two"`},
		"no effect":       {step{command: "true", check: func() error { return errors.New("no file") }}, "no file"},
		"no daemon":       {step{daemon: func() error { return errors.New("it ended") }}, "it ended"},
	} {
		err := s.play(t.Context(), c.step)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestShell_AnInterruptEndsTheCommandAndItsChildren(t *testing.T) {
	s := bare(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	pidFile := filepath.Join(s.home(), "begun")
	go func() {
		for {
			if _, err := os.Stat(pidFile); err == nil {
				cancel(errors.New("ctrl-C"))
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, _, err := s.shell(ctx, "sleep 1000 & echo > begun; wait", false)
	if err == nil || !strings.Contains(err.Error(), "ctrl-C") {
		t.Errorf("got %v", err)
	}
}

func TestClose_CountsWhatIsLeft(t *testing.T) {
	s := bare(t)
	program := filepath.Join(s.dir, "sleep")
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("gate sleep: there is no sleep")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	// It reads as ready when it runs its own program.
	cmd := exec.Command(program, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err == nil || !strings.Contains(err.Error(), "/proc/") {
		t.Errorf("a process is left, and close says %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // killed
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("the directory is left")
	}
}

func TestPlain_HasNothingThatOnlyATerminalUnderstands(t *testing.T) {
	if got := plain("\x1b[36m$ ls\x1b[m\r\n\x1b[2Kdone\n"); got != "$ ls\ndone\n" {
		t.Errorf("got %q", got)
	}
}

func TestWorkshop_AFatalFailureEndsTheWorkAndIsTold(t *testing.T) {
	w := &workshop{ctx: t.Context(), dir: t.TempDir()}
	cleaned, went := false, false
	err := w.do(func(tb testing.TB) {
		tb.Cleanup(func() { cleaned = true })
		tb.Fatal("no ", io.EOF)
		went = true
	})
	if err == nil || err.Error() != "no EOF" || went {
		t.Errorf("got %v, went on: %v", err, went)
	}
	if err := w.close(); err != nil || !cleaned {
		t.Errorf("got %v, cleaned: %v", err, cleaned)
	}
}
