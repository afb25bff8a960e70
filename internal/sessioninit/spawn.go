package sessioninit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of what cannot be started, as shells have them.
const (
	exitCannot   = 126
	exitNotFound = 127
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
	// A slash at the end is for directories alone.
	if err := unix.Access(c.dir+"/", unix.X_OK); err != nil {
		return nil, &startError{exitCannot, "working directory " + strconv.Quote(c.dir) + ": " + cause(err)}
	}
	attr := &syscall.ProcAttr{
		Dir: c.dir, Env: lastOfEach(c.env),
		Files: []uintptr{c.stdio[0].Fd(), c.stdio[1].Fd(), c.stdio[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: c.tty},
	}
	failure := &startError{exitNotFound, strconv.Quote(c.argv[0]) + " is in no directory of PATH"}
	for _, path := range candidates(c) {
		p, err := r.fork(path, c.argv, attr)
		if err == nil {
			return p, nil
		}
		if errors.Is(err, errStopping) {
			return nil, &startError{exitCannot, "start " + strconv.Quote(c.argv[0]) + ": " + err.Error()}
		}
		if path != c.argv[0] && missing(c.dir, path, err) {
			continue
		}
		failure = failed(c.dir, path, err)
		if !errors.Is(err, syscall.EACCES) { // as execvp: a later directory may have one that may be run
			break
		}
	}
	return nil, failure
}

// candidates are the paths at which the program may lie, as execvp has it: relative ones are from the command's own
// working directory.
func candidates(c command) []string {
	if strings.ContainsRune(c.argv[0], '/') {
		return c.argv[:1]
	}
	var paths []string
	for _, dir := range filepath.SplitList(lookup(c.env, "PATH", defaultPath)) {
		if dir == "" {
			dir = "."
		}
		paths = append(paths, dir+"/"+c.argv[0])
	}
	return paths
}

// defaultPath is for an environment without PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// missing tells no file from a file whose interpreter is missing, for which the kernel says the same.
func missing(dir, path string, err error) bool {
	if errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	if !errors.Is(err, syscall.ENOENT) {
		return false
	}
	if !filepath.IsAbs(path) {
		path = dir + "/" + path
	}
	_, err = os.Stat(path)
	return err != nil
}

func failed(dir, path string, err error) *startError {
	name := strconv.Quote(path)
	switch {
	case missing(dir, path, err):
		return &startError{exitNotFound, name + " does not exist"}
	case errors.Is(err, syscall.ENOENT):
		return &startError{exitNotFound, name + " exists, but not the interpreter that it names (first line, or ELF loader)"}
	case errors.Is(err, syscall.ENOEXEC):
		return &startError{exitCannot, name + " is no program for this machine: " + cause(err)}
	}
	return &startError{exitCannot, name + ": " + cause(err)}
}

// cause is an error's text without the path, which is said already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// lookup returns the last value of name in env.
func lookup(env []string, name, fallback string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return fallback
}

// lastOfEach is env with one entry a name: of several the last counts.
func lastOfEach(env []string) []string {
	at := make(map[string]int, len(env))
	out := make([]string, 0, len(env))
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, twice := at[name]; twice {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
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
