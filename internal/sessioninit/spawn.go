package sessioninit

import (
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is a program to start.
type command struct {
	argv []string
	env  []string
	dir  string
	// stdio are the child's ends.
	stdio [3]*os.File
	// tty makes stdio[0] the controlling terminal.
	tty bool
}

// startError says that a program could not be started, in a shell's words.
type startError struct {
	code int
	text string
}

func (e *startError) Error() string { return e.text }

// start starts c in a session and process group of its own. When it returns without an error, c's program runs.
func (r *reaper) start(c command) (*process, *startError) {
	report, childReport, err := pipe(ours)
	if err != nil {
		return nil, &startError{exitCannot, err.Error()}
	}
	defer report.Close() //nolint:errcheck // only read

	argv := append([]string{"agentd-init", stageFlag, c.dir}, c.argv...)
	attr := &syscall.ProcAttr{
		Env:   prefixed(c.env),
		Files: []uintptr{c.stdio[0].Fd(), c.stdio[1].Fd(), c.stdio[2].Fd(), childReport.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: c.tty},
	}
	p, err := r.fork("/proc/self/exe", argv, attr)
	childReport.Close() //nolint:errcheck // the child has it
	if err != nil {
		return nil, &startError{exitCannot, "start " + strconv.Quote(c.argv[0]) + ": " + err.Error()}
	}
	// The end of the report is the begin of the program.
	text, err := io.ReadAll(io.LimitReader(report, 4<<10))
	if err != nil || len(text) == 0 {
		return p, nil
	}
	<-p.done
	number, why, _ := strings.Cut(string(text), " ")
	code, err := strconv.Atoi(number)
	if err != nil {
		code = exitCannot
	}
	return nil, &startError{code, why}
}

// prefixed is the environment for the stage; of several entries of one name the last counts.
func prefixed(env []string) []string {
	at := make(map[string]int, len(env))
	out := make([]string, 0, len(env))
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, twice := at[name]; twice {
			out[i] = stageEnv + e
			continue
		}
		at[name] = len(out)
		out = append(out, stageEnv+e)
	}
	return out
}

// exitOf maps a status to the code, and the name of the signal if there was one.
func exitOf(s syscall.WaitStatus) (code int, signal string) {
	if s.Signaled() {
		return 128 + int(s.Signal()), signalName(s.Signal())
	}
	return s.ExitStatus(), ""
}

// signalName names real-time signals too, as bash does.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return "SIGRTMIN+" + strconv.Itoa(int(s)-34)
}
