package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"

	"agentd/internal/testenv/scratch"
	"agentd/test/daemon"
)

// stage is where the story is played.
type stage struct {
	dir     string
	env     []string
	signals <-chan os.Signal
	watched bool
	agentd  *daemon.Daemon
}

// newStage makes the directory with the sample and a configuration.
func newStage(bin, sample string, signals <-chan os.Signal) (*stage, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(sample)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "agentd-demo-")
	if err != nil {
		return nil, err
	}
	agentd, err := daemon.New(filepath.Join(bin, "agentd"), dir)
	if err != nil {
		return nil, err
	}
	s := &stage{
		dir: dir, signals: signals, watched: onTerminal(), agentd: agentd,
		// The reader's own agentd, configuration and templates stay out of it.
		env: append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir,
			"AGENTD_SOCKET="+agentd.Socket(), "LC_ALL=C.UTF-8"),
	}
	if !s.watched {
		s.env = append(s.env, "NO_COLOR=1")
	}
	return s, os.WriteFile(filepath.Join(dir, "session-template.yaml"), text, 0o600)
}

// close ends agentd and removes the directory; it may be called twice.
func (s *stage) close() error {
	err := s.stopAgentd()
	return errors.Join(err, scratch.Remove(s.dir))
}

func (s *stage) say(text string) {
	fmt.Printf("\n%s\n", text)
}

// play tells, shows and runs one step, and compares.
func (s *stage) play(step step) error {
	if step.why != "" {
		s.say(s.style("1", step.why))
	}
	fmt.Printf("\n%s\n", s.style("36", "$ "+step.command))
	if err := s.pause(); err != nil {
		return err
	}
	if step.do != nil {
		return step.do(s)
	}
	out, exit, err := s.shell(step.command)
	if err != nil {
		return err
	}
	fmt.Print(out)
	if exit != step.exit {
		return fmt.Errorf("that ended with %d, not %d", exit, step.exit)
	}
	for _, want := range step.want {
		if !strings.Contains(plain(out), want) {
			return fmt.Errorf("that did not say %q", want)
		}
	}
	return nil
}

// style is for a reader who is watching.
func (s *stage) style(code, text string) string {
	if !s.watched || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

// pause gives a reader the time to read.
func (s *stage) pause() error {
	var wait time.Duration
	if s.watched {
		wait = 700 * time.Millisecond
	}
	select {
	case sig := <-s.signals:
		return fmt.Errorf("ended by %v", sig)
	case <-time.After(wait):
		return nil
	}
}

// shell runs a command in a terminal of 80 columns, for that is where a user sees it.
func (s *stage) shell(command string) (out string, exit int, err error) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = s.dir, s.env
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return "", 0, err
	}
	defer terminal.Close() //nolint:errcheck // it was only read
	// A command that hangs is ended with its terminal.
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var buf bytes.Buffer
	// Linux says EIO when the last one has closed the other end.
	if _, err := io.Copy(&buf, terminal); err != nil && !errors.Is(err, syscall.EIO) {
		return "", 0, err
	}
	err = cmd.Wait()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return "", 0, err
	}
	return strings.ReplaceAll(buf.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode(), nil
}

// plain is the text without colours.
func plain(text string) string {
	for {
		before, rest, found := strings.Cut(text, "\x1b[")
		if !found {
			return text
		}
		_, after, _ := strings.Cut(rest, "m")
		text = before + after
	}
}

func (s *stage) startAgentd() error { return s.agentd.Start(s.env) }
func (s *stage) killAgentd() error  { return s.agentd.Kill() }
func (s *stage) stopAgentd() error  { return s.agentd.Stop() }
