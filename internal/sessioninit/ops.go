package sessioninit

import (
	"net"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

// serve performs one request; an error becomes the connection's last frame.
func (in *initd) serve(c *client, req *frame.Request) {
	var err error
	switch {
	case req.Op == frame.OpPing:
		err = c.w.WriteJSON(frame.TypeOK, in.status())
	case req.Op == frame.OpStats:
		err = c.w.WriteJSON(frame.TypeOK, in.stats())
	case req.Op == frame.OpStart && req.Start != nil:
		err = c.done(in.accept(req.Start))
	case req.Op == frame.OpSignal && req.Signal != nil:
		err = c.done(in.signal(req.Signal))
	case req.Op == frame.OpExec && req.Exec != nil:
		err = in.exec(c, req.Exec)
	case req.Op == frame.OpAttach && req.Attach != nil:
		err = in.attach(c, req.Attach)
	case req.Op == frame.OpForward && req.Forward != nil:
		err = forward(c, req.Forward)
	case req.Op == frame.OpCopyIn && req.CopyIn != nil:
		err = in.copyFiles(c, req.CopyIn, nil)
	case req.Op == frame.OpCopyOut && req.CopyOut != nil:
		err = in.copyFiles(c, nil, req.CopyOut)
	case req.Op == frame.OpAdopt && req.Adopt != nil:
		err = in.adopt(c, req.Adopt)
	default:
		err = errs.New(errs.Unsupported, "operation %q: not in version %d of agentd-init, or without its arguments",
			req.Op, frame.Version)
	}
	if err != nil {
		c.fail(err)
	}
}

// done answers ok, if err is nil.
func (c *client) done(err error) error {
	if err != nil {
		return err
	}
	return c.w.Write(frame.TypeOK, []byte("{}"))
}

func (in *initd) status() frame.Status {
	in.mu.Lock()
	defer in.mu.Unlock()
	return frame.Status{
		State: in.stateLocked(), LogDropped: in.log.lostLines(), Results: append([]job.Result(nil), in.results...),
	}
}

// signal signals an exec's group, or the running step's.
func (in *initd) signal(s *frame.Signal) error {
	number, err := parseSignal(s.Name)
	if err != nil {
		return err
	}
	if s.PID == 0 {
		return in.signalStep(number)
	}
	in.mu.Lock()
	p := in.execs[s.PID]
	in.mu.Unlock()
	if p == nil {
		return errs.New(errs.NotFound, "no exec with the process number %d", s.PID)
	}
	if err := in.reaper.signalGroup(p, number); err != nil {
		return errs.New(errs.NotFound, "exec %d: %w", s.PID, err)
	}
	return nil
}

func parseSignal(name string) (unix.Signal, error) {
	if number := unix.SignalNum("SIG" + name); number != 0 {
		return number, nil
	}
	return 0, errs.New(errs.Invalid, "no signal is called %q", name).WithHint("a name without SIG, such as TERM")
}

// adopt takes the client's descriptor and performs req there. agentd, which asks for it, is told when it is taken; what
// becomes of req is told to the client alone.
func (in *initd) adopt(c *client, req *frame.Request) error {
	uc, ok := c.Conn.(*net.UnixConn)
	if !ok || req.Op == frame.OpAdopt {
		return errs.New(errs.Unsupported, "adopt: only on the session's socket, and not twice")
	}
	uc.SetDeadline(time.Now().Add(requestTimeout)) //nolint:errcheck // a closed connection fails at once
	if err := c.done(nil); err != nil {
		return err
	}
	file, err := frame.ReceiveFD(uc)
	if err != nil {
		return errs.New(errs.Invalid, "adopt: %w", err)
	}
	conn, err := net.FileConn(file)
	file.Close() //nolint:errcheck // FileConn has its own copy
	if err != nil {
		return errs.New(errs.Invalid, "adopt: not a stream socket: %w", err)
	}
	if !in.server.add(conn) {
		conn.Close() //nolint:errcheck // refused
		return errs.New(errs.Busy, "the session has %d open connections", maxConns)
	}
	go func() {
		defer in.server.remove(conn)
		in.serve(newClient(conn), req)
	}()
	return c.done(nil)
}

// attach joins the running step's output, and its input if it is free.
func (in *initd) attach(c *client, a *frame.Attach) error {
	cur, err := in.awaitStep()
	if err != nil {
		return err
	}
	if a.Stdin && cur.stdio.in == nil {
		return errs.New(errs.Conflict, "the step has no input").WithHint("attach without input")
	}
	w, err := cur.watch(a.Stdin)
	if err != nil {
		return err
	}
	defer cur.unwatch(w)
	lost := make(chan struct{})
	up := &upstream{client: c, in: in, process: cur.process, stdio: cur.stdio, readOnly: !a.Stdin, lost: lost}
	if err := c.w.WriteJSON(frame.TypeStarted, frame.Started{PID: cur.process.pid, TTY: cur.stdio.tty}); err != nil {
		return nil //nolint:nilerr // gone: nobody to tell
	}
	if a.Stdin {
		cur.stdio.redraw(a.Size)
	}
	defer up.begin(func() { endInput(cur.stdio, false) })()
	for {
		select {
		case chunk, more := <-w.queue:
			if more {
				if c.w.Write(chunk.kind, chunk.data) != nil {
					return nil
				}
				continue
			}
			if exit := cur.ended(); exit != nil {
				c.w.WriteJSON(frame.TypeExit, exit) //nolint:errcheck // the other side is gone
				return nil
			}
			return errs.New(errs.Busy, "output came faster than you took it").WithHint("attach again, or read the log")
		case <-lost:
			return nil
		}
	}
}
