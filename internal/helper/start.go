package helper

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/identity"
)

// Limits bound a child and all that it starts. 0 means that this one is not limited.
type Limits struct {
	// MemoryBytes bounds the private memory, beside what the runtime itself maps; a child that needs more ends with
	// errs.TooLarge.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// FileBytes bounds the size of each file that is written.
	FileBytes int64 `json:"file_bytes,omitempty"`
	// OpenFiles bounds the number of descriptors.
	OpenFiles int64 `json:"open_files,omitempty"`
}

// Starter starts sessions. The zero value starts the running program with an empty environment and no limits.
type Starter struct {
	// Program is what to start, with [Argument]: see [Pin]. Nil means the running program.
	Program *os.File
	// Env is the whole environment of a child; it must hold no secret.
	Env    []string
	Limits Limits
	// Join, if set, is called with the child's process id before it gets its first request: to put it into a control
	// group. An error of it ends the session.
	Join func(pid int) error
}

// Start makes a child that is the caller. If agentd is not root it can only help the user it runs as: anyone else is
// errs.Forbidden.
func (s Starter) Start(as identity.Caller) (*Session, error) {
	name := fmt.Sprintf("uid %d", as.UID)
	cmd, mine, theirs, err := s.command(as)
	if err != nil {
		return nil, err
	}
	k := &Session{as: name, conn: mine, cmd: cmd, done: make(chan struct{}), output: &output{}}
	cmd.Stderr = k.output
	started := make(chan error, 1)
	go k.run(started)
	err = <-started
	theirs.Close() //nolint:errcheck // the child has its own copy
	if err != nil {
		mine.Close() //nolint:errcheck // nothing was sent
		return nil, errs.New(errs.Internal, "start the helper as %s: %w", name, err)
	}
	if s.Join != nil {
		err = s.Join(cmd.Process.Pid)
	}
	if err == nil {
		err = mine.send(message{Hello: &hello{Limits: s.Limits}}, nil)
	}
	if err != nil {
		k.kill()
		k.Close() //nolint:errcheck // the first error is the one to tell
		return nil, errs.New(errs.Internal, "start the helper as %s: %w", name, err)
	}
	return k, nil
}

func (s Starter) command(as identity.Caller) (*exec.Cmd, *conn, *os.File, error) {
	program := s.Program
	if program == nil {
		var err error
		if program, err = ownProgram(); err != nil {
			return nil, nil, nil, err
		}
	}
	cmd := exec.Command(programPath, Argument)
	cmd.Dir, cmd.Env = "/", append([]string{}, s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
	switch euid := os.Geteuid(); {
	case euid == 0:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: as.UID, Gid: as.GID, Groups: as.Groups}
	case uint32(euid) != as.UID:
		return nil, nil, nil, errs.New(errs.Forbidden, "this agentd runs as uid %d and cannot act as uid %d", euid, as.UID).
			WithHint("use the agentd of the system, or start your own")
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, nil, errs.New(errs.Internal, "start the helper: socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "helper's end")
	f := os.NewFile(uintptr(fds[0]), "agentd's end")
	defer f.Close() //nolint:errcheck // the connection has its own copy
	mine, err := newConn(f)
	if err != nil {
		theirs.Close() //nolint:errcheck // nothing was sent
		return nil, nil, nil, errs.New(errs.Internal, "start the helper: %w", err)
	}
	cmd.ExtraFiles = []*os.File{theirs, program} // in the order of socketFD and programFD
	return cmd, mine, theirs, nil
}

// run starts the child and waits for it, on a thread of its own that is never unlocked and so ends with this goroutine:
// no_new_privs is the thread's, handed down to the child and to nobody else; and the kernel takes the end of the thread
// that started a child for the parent's death, so that the thread must live exactly as long as the child.
func (s *Session) run(started chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The process's first thread cannot end, and shows as the whole process. While this goroutine holds it, the
		// next one gets another.
		next := make(chan error)
		go s.run(next)
		started <- <-next
		runtime.UnlockOSThread()
		return
	}
	defer close(s.done)
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = s.cmd.Start()
	}
	started <- err
	if err == nil {
		s.ended = s.cmd.Wait()
	}
	// Under the lock: from here on the process id may be somebody else's.
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
}

// output keeps the beginning and the end of what a child writes to standard error.
type output struct {
	mu         sync.Mutex
	head, tail bytes.Buffer
}

const (
	keepHead = 1 << 10
	keepTail = 3 << 10
)

// Write keeps what fits and never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := p
	if n := min(keepHead-o.head.Len(), len(rest)); n > 0 {
		o.head.Write(rest[:n])
		rest = rest[n:]
	}
	o.tail.Write(rest)
	if extra := o.tail.Len() - keepTail; extra > 0 {
		o.tail.Next(extra)
	}
	return len(p), nil
}

// String is what was kept.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.head.String() + o.tail.String()
}

// await waits for the end of the child, or of ctx.
func (s *Session) await(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
