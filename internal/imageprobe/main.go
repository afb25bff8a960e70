// Command imageprobe looks at the image whose container it runs in, as its only program, and prints one line of JSON:
// what package engine calls a Probe. It is static, so that it runs in an image with nothing in it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// maxFile bounds what is told of a file.
	maxFile = 256 << 10
	// shellTimeout bounds a shell that does not end.
	shellTimeout = 10 * time.Second
	shell        = "/bin/sh"
)

// found and program are engine.Probe and engine.Program: this program has no part in the daemon's packages.
type found struct {
	Passwd []byte  `json:"passwd,omitempty"`
	Group  []byte  `json:"group,omitempty"`
	Shell  program `json:"shell"`
}

type program struct {
	Present bool   `json:"present"`
	Runs    bool   `json:"runs"`
	Errno   string `json:"errno,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	answer := found{Passwd: read("/etc/passwd"), Group: read("/etc/group"), Shell: try(shell)}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, "imageprobe:", err)
		os.Exit(1)
	}
}

// read returns the beginning of a regular file; nil if it is none. The image chose what the name leads to: a pipe must
// not keep us waiting.
func read(name string) []byte {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil
	}
	return text
}

// try runs `name -c :` and tells how that went.
func try(name string) program {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return program{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), shellTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, "-c", ":")
	var said bytes.Buffer
	cmd.Stderr = &limited{buffer: &said, left: 1024}
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err == nil {
		return program{Present: true, Runs: true}
	}
	result := program{Present: true, Error: err.Error()}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		result.Errno = nameOf(errno)
		result.Error = errno.Error()
		if errno == syscall.ENOENT {
			result.Error = "it needs a loader or interpreter that the image does not have"
		}
	}
	if text := bytes.TrimSpace(said.Bytes()); len(text) > 0 {
		result.Error += ": " + string(text)
	}
	return result
}

// nameOf names the errors that execve has for a program that cannot run.
func nameOf(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOEXEC:
		return "ENOEXEC"
	case syscall.ENOENT:
		return "ENOENT"
	case syscall.EACCES:
		return "EACCES"
	case syscall.EPERM:
		return "EPERM"
	case syscall.ELOOP:
		return "ELOOP"
	case syscall.ELIBBAD:
		return "ELIBBAD"
	case syscall.ENOMEM:
		return "ENOMEM"
	}
	return fmt.Sprintf("E%d", int(errno))
}

// limited drops what is beyond its limit: the image must not fill our memory.
type limited struct {
	buffer *bytes.Buffer
	left   int
}

// Write takes all and keeps what there is room for.
func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.left)
	l.left -= keep
	l.buffer.Write(p[:keep])
	return len(p), nil
}
