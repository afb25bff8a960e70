package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// socketFD is where the parent put the child's end of the socket.
const socketFD = 3

// Main is the child: it serves the parent's requests until the parent closes the session, and returns the exit status.
// It writes to standard error only when it cannot serve at all; the parent keeps the tail of that.
func Main(table Table) int {
	if err := serve(table); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err) //nolint:errcheck // nobody is left to tell
		return 1
	}
	return 0
}

func serve(table Table) error {
	c, err := harden()
	if err != nil {
		return err
	}
	first, _, err := c.receive()
	if err != nil || first.Hello == nil {
		return errors.Join(errors.New("no hello from the parent"), err)
	}
	if err := first.Hello.Limits.apply(); err != nil {
		return err
	}
	all := Files()
	maps.Copy(all, table)
	requests, busy := make(chan request), new(atomic.Bool)
	go receiveAll(c, requests, busy)
	for r := range requests {
		answer, files := call(all, c, r)
		closeAll(r.files)
		err := c.send(answer, files)
		closeAll(files)
		busy.Store(false)
		if err != nil {
			return err
		}
	}
	return nil
}

// orphaned is the signal that a child gets when its parent is gone. It is not SIGKILL: that would end the child alone, and
// leave what it has started.
const orphaned = syscall.SIGTERM

// endGroup ends this process and all that it has started.
func endGroup() {
	whom := unix.Getpid()
	if unix.Getpgrp() == whom {
		whom = 0
	}
	unix.Kill(whom, unix.SIGKILL) //nolint:errcheck // one's own process and group are always there
}

type request struct {
	message
	files []*os.File
}

// receiveAll also watches the parent: when that is gone while an operation runs, nobody wants the result any more, and
// whatever the operation has started must end with it.
func receiveAll(c *conn, requests chan<- request, busy *atomic.Bool) {
	defer close(requests)
	for {
		m, files, err := c.receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				fmt.Fprintln(os.Stderr, "helper:", err) //nolint:errcheck // the parent sees the session end
			}
			if busy.Load() {
				endGroup()
			}
			return
		}
		busy.Store(true)
		requests <- request{m, files}
	}
}

func call(table Table, c *conn, r request) (message, []*os.File) {
	op, ok := table[r.Op]
	if !ok {
		return message{Error: failureOf(errs.New(errs.Internal, "helper has no operation %q", r.Op))}, nil
	}
	k := &Call{body: r.Body, files: r.files, conn: c}
	result, err := op(context.Background(), k)
	if err == nil {
		var body json.RawMessage
		if body, err = json.Marshal(result); err == nil {
			return message{Result: body}, k.sending
		}
	}
	closeAll(k.sending)
	return message{Error: failureOf(err)}, nil
}

// harden makes the child safe to hold secrets in and returns its socket. no_new_privs is set by the parent, on the
// thread that starts the child.
func harden() (*conn, error) {
	unix.CloseOnExec(socketFD)
	unix.Close(programFD) //nolint:errcheck // it was needed to begin only
	// Before the first secret arrives: nobody, of the same user either, may trace this process or read its memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("switch off dumps: %w", err)
	}
	unix.Umask(0o077)
	if err := os.Chdir("/"); err != nil {
		return nil, fmt.Errorf("change directory: %w", err)
	}
	// A write beyond the limit of file size is to fail with EFBIG, not to kill.
	signal.Ignore(unix.SIGXFSZ)
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, orphaned)
	go func() {
		<-gone
		endGroup()
	}()
	f := os.NewFile(socketFD, "socket")
	if f == nil {
		return nil, errors.New("started without its socket: only agentd starts it")
	}
	defer f.Close() //nolint:errcheck // the connection has its own copy
	return newConn(f)
}

// runtimeData is what counts as data of a process of ours before it has done anything: stacks of threads and parts of the
// heap that are mapped, not used.
const runtimeData = 128 << 20

// apply puts the limits in force for this process and all that it starts.
func (l Limits) apply() error {
	set := func(resource int, name string, value uint64) error {
		if value == 0 {
			return nil
		}
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", name, value, err)
		}
		return nil
	}
	var data uint64
	if l.MemoryBytes > 0 {
		data = uint64(l.MemoryBytes) + runtimeData
		// The collector works harder from here on; the rest up to the limit is for what it cannot give back at once.
		debug.SetMemoryLimit(l.MemoryBytes - l.MemoryBytes/8)
	}
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		// Address space is not limited: the runtime reserves far more of it than it ever uses, and would not start.
		set(unix.RLIMIT_DATA, "memory", data),
		set(unix.RLIMIT_FSIZE, "file size", uint64(l.FileBytes)),
		set(unix.RLIMIT_NOFILE, "open files", uint64(l.OpenFiles)),
	)
}
