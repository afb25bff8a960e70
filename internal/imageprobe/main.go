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
	"path/filepath"
	"syscall"
	"time"
)

const (
	// maxFile bounds what is told of a file: both, in base64, fit into the 64 KiB that the engine keeps of a container's words.
	maxFile = 16 << 10
	// shellTimeout bounds a shell that does not end.
	shellTimeout = 10 * time.Second
	shell        = "/bin/sh"
)

// found and program are engine.Probe and engine.Program: this program has no part in the daemon's packages.
type found struct {
	Passwd []byte  `json:"passwd,omitempty"`
	Group  []byte  `json:"group,omitempty"`
	Shell  program `json:"shell"`
	// Leads has where the places of ours lead that do not lead to themselves; "" if that cannot be told.
	Leads map[string]string `json:"leads,omitempty"`
}

// places are where agentd mounts something in every session.
func places() []string { return []string{"/etc/passwd", "/etc/group", "/home/work", "/.agentd"} }

type program struct {
	Present bool   `json:"present"`
	Runs    bool   `json:"runs"`
	Errno   string `json:"errno,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	answer := found{
		Passwd: read("/etc/passwd"), Group: read("/etc/group"), Shell: try(shell), Leads: map[string]string{},
	}
	for _, name := range places() {
		if to := leads(name); to != name {
			answer.Leads[name] = to
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, "imageprobe:", err)
		os.Exit(1)
	}
}

// leads follows the symbolic links of the image on the way to name, as far as the way is there. It returns "" if they lead
// nowhere: the engine would make what is missing, as root, wherever that is by then.
func leads(name string) string {
	for there := name; ; there = filepath.Dir(there) {
		_, err := os.Lstat(there)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // the root is always there
		}
		if err != nil {
			return ""
		}
		real, err := filepath.EvalSymlinks(there)
		if err != nil {
			return ""
		}
		return filepath.Join(real, name[len(there):])
	}
}

// read returns the beginning of a regular file, in whole lines; nil if it is none. The image chose what the name leads to:
// a pipe must not keep us waiting.
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
	if len(text) == maxFile {
		text = text[:bytes.LastIndexByte(text, '\n')+1]
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
