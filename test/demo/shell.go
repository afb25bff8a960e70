package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// stepLimit ends a command that hangs.
const stepLimit = time.Minute

// shell runs a command as the demo's user and returns what it said, without colours. What it says is shown as it comes
// if show is set: in a terminal of 80 columns if somebody is watching, by a plain pipe if not.
func (s *stage) shell(ctx context.Context, command string, show bool) (text string, exit int, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = s.home(), s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)} //nolint:gosec // ours
	}
	var said bytes.Buffer
	out := io.Writer(&said)
	if show {
		out = io.MultiWriter(&said, os.Stdout)
	}
	run := runPiped
	if s.watched && show {
		run = runOnTerminal
	}
	err = run(ctx, cmd, out)
	if ctx.Err() != nil {
		return "", 0, fmt.Errorf("%s: %w", command, context.Cause(ctx))
	}
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return "", 0, err
	}
	return plain(said.String()), cmd.ProcessState.ExitCode(), nil
}

func runPiped(ctx context.Context, cmd *exec.Cmd, out io.Writer) error {
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return err
	}
	defer killWith(ctx, cmd)()
	return cmd.Wait()
}

func runOnTerminal(ctx context.Context, cmd *exec.Cmd, out io.Writer) error {
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return err
	}
	defer terminal.Close() //nolint:errcheck // it was only read
	defer killWith(ctx, cmd)()
	// Linux says EIO when the last one has closed the other end.
	if _, err := io.Copy(out, terminal); err != nil && !errors.Is(err, syscall.EIO) {
		return err
	}
	return cmd.Wait()
}

// killWith ends the command's process group with ctx, until the function that it returns is called.
func killWith(ctx context.Context, cmd *exec.Cmd) func() bool {
	return context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
}

// plain is the text without what only a terminal understands.
func plain(text string) string {
	text = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, "\r\n", "\n")
}
