package sessioninit

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

const (
	// execDrain is how long after a command's end its output may go on, if something in the background holds it open:
	// what was written before the end is delivered in any case, however slowly it is read.
	execDrain = time.Second
	// hangupGrace is the time from SIGHUP to SIGKILL for a command whose client has gone.
	hangupGrace = 3 * time.Second
)

// exec runs a command beside the steps. If the connection is lost, the command's group gets SIGHUP (as from a terminal
// that is closed), and SIGKILL if the command is still there after hangupGrace.
func (in *initd) exec(c *client, e *frame.Exec) error {
	cmd, err := in.execCommand(e)
	if err != nil {
		return err
	}
	ends, err := newEnds(e.TTY, e.Stdin, e.Size)
	if err != nil {
		return errs.New(errs.Unavailable, "exec: %w", err)
	}
	defer ends.close()
	cmd.stdio = ends.child
	p, failure := in.reaper.start(cmd)
	ends.closeChild()
	if failure != nil {
		c.w.WriteJSON(frame.TypeExit, frame.Exit{Code: failure.code, Error: failure.text}) //nolint:errcheck // gone
		return nil
	}
	in.enter(p)
	defer in.leave(p)

	lost := make(chan struct{})
	up := &upstream{client: c, in: in, process: p, stdio: ends, lost: lost}
	c.w.WriteJSON(frame.TypeStarted, frame.Started{PID: p.pid, TTY: e.TTY}) //nolint:errcheck // upstream sees it
	defer up.begin(func() { endInput(ends, e.TTY) })()
	var out sync.WaitGroup
	out.Go(func() { c.copyOut(ends.out, frame.TypeStdout) })
	if ends.err != nil {
		out.Go(func() { c.copyOut(ends.err, frame.TypeStderr) })
	}
	select {
	case <-p.done:
	case <-lost:
		in.end(p, unix.SIGHUP, hangupGrace)
	}
	ends.drain(time.Now().Add(execDrain))
	out.Wait()
	code, signal := exitOf(p.status)
	c.w.WriteJSON(frame.TypeExit, frame.Exit{Code: code, Signal: signal}) //nolint:errcheck // the other side is gone
	return nil
}

// execCommand checks what is asked for.
func (in *initd) execCommand(e *frame.Exec) (command, error) {
	in.mu.Lock()
	j := in.job
	in.mu.Unlock()
	switch {
	case j == nil:
		return command{}, errs.New(errs.Conflict, "exec: the session has no job yet")
	case closed(in.stopping):
		return command{}, errs.New(errs.Conflict, "exec: the session is stopping")
	case len(e.Argv) == 0 || e.Argv[0] == "":
		return command{}, errs.New(errs.Invalid, "exec: no command")
	}
	for _, s := range slices.Concat(e.Argv, e.Env, []string{e.Dir}) {
		if strings.IndexByte(s, 0) >= 0 {
			return command{}, errs.New(errs.Invalid, "exec: a NUL byte in an argument, the environment or the directory")
		}
	}
	for _, s := range e.Env {
		if strings.IndexByte(s, '=') < 1 {
			return command{}, errs.New(errs.Invalid, "exec: environment entry %q is not NAME=VALUE", s)
		}
	}
	cmd := command{argv: e.Argv, env: slices.Concat(j.Env, e.Env), dir: e.Dir, tty: e.TTY}
	if cmd.dir == "" {
		cmd.dir = j.Dir
	}
	if e.TTY && lookup(cmd.env, "TERM", "") == "" {
		cmd.env = append(cmd.env, "TERM=xterm")
	}
	return cmd, nil
}

func (in *initd) enter(p *process) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.execs[p.pid] = p
}

func (in *initd) leave(p *process) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.execs[p.pid] == p {
		delete(in.execs, p.pid)
	}
}

// copyOut sends what f has as frames, to its end or a while after the deadline that drain sets.
func (c *client) copyOut(f *os.File, t frame.Type) {
	buf := make([]byte, readBuffer)
	left := -1 // bytes to deliver after the deadline; negative before it
	for left != 0 {
		n, err := f.Read(buf)
		if n > 0 && c.w.Write(t, buf[:n]) != nil {
			return
		}
		switch {
		case left > 0:
			left = max(left-n, 0)
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The time is over, but not for what was written in it: that lies in the kernel.
			left = waiting(f)
			f.SetReadDeadline(time.Time{}) //nolint:errcheck // then Read fails and ends it
			continue
		}
		if err != nil {
			return
		}
	}
}

// waiting is how many bytes can be read at once.
func waiting(f *os.File) int {
	n := 0
	err := control(f, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	if err != nil {
		return 0
	}
	return n
}

// drain bounds the reading of the output.
func (s *stdio) drain(until time.Time) {
	s.out.SetReadDeadline(until) //nolint:errcheck // closed: its end has come
	if s.err != nil {
		s.err.SetReadDeadline(until) //nolint:errcheck // the same
	}
}

// endInput is the end of the input: of a pipe it is the end of file, at a terminal ctrl-D.
func endInput(s *stdio, typeIt bool) {
	switch {
	case s.in == nil:
	case !s.tty:
		s.in.Close() //nolint:errcheck // closing is all
	case typeIt:
		s.in.Write([]byte{4}) //nolint:errcheck // it has ended
	}
}

// upstream is what comes from the client while a command runs.
type upstream struct {
	*client
	in      *initd
	process *process
	stdio   *stdio
	// readOnly takes signals and input from nobody.
	readOnly bool
	// lost is closed when nothing more can come.
	lost chan<- struct{}
}

// begin reads in the background; the returned function ends what writes the input. The reader itself ends with the
// connection.
func (u *upstream) begin(end func()) (stop func()) {
	q := newInlet(u.stdio.in, u.giveCredit, end)
	if u.readOnly {
		q = newInlet(nil, u.giveCredit, func() {})
	}
	go q.run()
	go func() {
		defer close(u.lost)
		for u.next(q) == nil { //nolint:revive // until it fails
		}
	}()
	return q.stop
}

func (u *upstream) giveCredit(n int) {
	payload := binary.BigEndian.AppendUint32(nil, uint32(n)) //nolint:gosec // at most the window
	u.w.Write(frame.TypeWindow, payload)                     //nolint:errcheck // the other side is gone
}

// next takes one frame. Its error ends the connection.
func (u *upstream) next(q *inlet) error {
	t, payload, err := u.r.Next()
	if err != nil {
		return err
	}
	switch {
	case u.readOnly && t != frame.TypeEOF:
		return errs.New(errs.Invalid, "attached without input")
	case t == frame.TypeStdin:
		return q.put(payload)
	case t == frame.TypeEOF:
		q.finish()
		return nil
	case t == frame.TypeResize:
		size, err := frame.ParseSize(payload)
		if err == nil {
			u.stdio.resize(size) //nolint:errcheck // it may have ended
		}
		return err
	case t == frame.TypeSignal:
		s, err := parseSignal(string(payload))
		if err == nil {
			u.in.reaper.signalGroup(u.process, s) //nolint:errcheck // it may have ended
		}
		return err
	}
	return errs.New(errs.Invalid, "frame of type %d out of place", t)
}
