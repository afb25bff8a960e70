package sessioninit

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the end: each is reached only if the kernel or a disk hangs.
const (
	endKill   = 5 * time.Second
	endServer = time.Second
	endLog    = 2 * time.Second
)

// watchSignals takes every signal there is: the session's code may send us any, and what Go is not asked to deliver it
// dies of (SIGSEGV, SIGABRT and others), or dumps its stacks on (SIGQUIT). Caught signals are back at their defaults in
// every child; ignored ones would not be.
func (in *initd) watchSignals() {
	children := make(chan os.Signal, 1) // a token: collect takes all there is
	signal.Notify(children, unix.SIGCHLD)
	go in.reaper.run(children)

	ends := make(chan os.Signal, 4)
	signal.Notify(ends, unix.SIGTERM, unix.SIGINT)
	go in.watchEnds(ends)

	others := make(chan os.Signal, 64)
	signal.Notify(others, otherSignals()...)
	go func() {
		for s := range others {
			if sig, ok := s.(syscall.Signal); ok && forwarded(sig) {
				in.signalStep(sig) //nolint:errcheck // no step runs: nobody to forward to
			}
		}
	}()
}

func otherSignals() []os.Signal {
	var list []os.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGTERM, unix.SIGINT:
		case unix.SIGURG: // the runtime's own, many times a second
		default:
			list = append(list, s)
		}
	}
	return list
}

// forwarded leaves out what is ignored by contract (QUIT, HUP), what says something about us and not about the step
// (faults, pipes, timers, terminal stops).
func forwarded(s syscall.Signal) bool {
	switch s {
	case unix.SIGQUIT, unix.SIGHUP, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT,
		unix.SIGSYS, unix.SIGPIPE, unix.SIGPROF, unix.SIGVTALRM, unix.SIGTTIN, unix.SIGTTOU, unix.SIGSTKFLT,
		unix.SIGXCPU, unix.SIGXFSZ:
		return false
	}
	return true
}

func (in *initd) watchEnds(ends <-chan os.Signal) {
	first, ok := (<-ends).(syscall.Signal)
	if !ok {
		return
	}
	in.beginStop(first)
	force := time.NewTimer(in.stopGrace())
	defer force.Stop()
	select {
	case <-ends:
		in.say("stop: a second signal: kill")
	case <-force.C:
		in.say("stop: the time to end is over: kill")
	}
	in.reaper.signalAll(unix.SIGKILL)
}

// beginStop asks everything to end: every process of the container, because what a step left in the background shall
// have its chance too; terminals are hung up besides, for interactive shells ignore TERM.
func (in *initd) beginStop(sig syscall.Signal) {
	in.mu.Lock()
	in.stopSig = sig
	in.changeLocked()
	terminals := in.terminalsLocked()
	in.mu.Unlock()
	in.say("stop: " + unix.SignalName(sig))
	in.reaper.refuse()
	close(in.stopping)
	in.reaper.signalAll(unix.SIGTERM)
	for _, p := range terminals {
		in.reaper.signalGroup(p, unix.SIGHUP)  //nolint:errcheck // it may have ended
		in.reaper.signalGroup(p, unix.SIGCONT) //nolint:errcheck // the same
	}
}

func (in *initd) terminalsLocked() []*process {
	var list []*process
	for _, p := range in.execs {
		if p.tty {
			list = append(list, p)
		}
	}
	if in.current != nil && in.current.process.tty {
		list = append(list, in.current.process)
	}
	return list
}

// stopCode is the exit code of a session that a signal ended.
func (in *initd) stopCode() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return 128 + int(in.stopSig)
}

// closed reports whether ch is closed.
func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// finish ends what still lives, then delivers what was said: exit frames, the rest of the output, the log.
func (in *initd) finish() {
	if closed(in.stopping) {
		in.reaper.waitNone(0) // watchEnds kills in the end
	} else {
		in.reaper.refuse()
		in.reaper.signalAll(unix.SIGKILL)
		in.reaper.waitNone(endKill)
	}
	close(in.over)
	in.server.close(endServer)
	within(endLog, in.pumps.Wait)
	within(endLog, in.log.close)
}

// within waits for do, but no longer than limit.
func within(limit time.Duration, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
