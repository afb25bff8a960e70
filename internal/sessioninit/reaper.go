package sessioninit

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errStopping is the cause of a refused start.
var errStopping = errors.New("the session is stopping")

// process is a child that we started.
type process struct {
	pid int
	tty bool
	// done is closed when it has been reaped; status is valid from then on.
	done   chan struct{}
	status syscall.WaitStatus
}

// reaper starts children, and is the only one that waits for any. The lock is held from before a fork until the child is
// in the table, and over each wait: so an exit code cannot come before its entry, a number cannot be used again
// between its wait and its removal, and a signal cannot go to a stranger.
type reaper struct {
	score *oomScore

	mu      sync.Mutex
	procs   map[int]*process
	refused bool
	// none gets a token whenever there was no child left.
	none chan struct{}
}

func newReaper(score *oomScore) *reaper {
	return &reaper{score: score, procs: map[int]*process{}, none: make(chan struct{}, 1)}
}

// run collects after each SIGCHLD; several of them may be one token.
func (r *reaper) run(children <-chan os.Signal) {
	for range children {
		if r.collect() {
			select {
			case r.none <- struct{}{}:
			default:
			}
		}
	}
}

// collect takes every child that has ended, ours and orphans, and reports whether no child is left.
func (r *reaper) collect() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return true // ECHILD, the only other error there is
		case pid == 0:
			return false
		}
		if p := r.procs[pid]; p != nil {
			delete(r.procs, pid)
			p.status = status
			close(p.done)
		}
	}
}

// waitNone waits until there is no child left; a limit of 0 is none.
func (r *reaper) waitNone(limit time.Duration) {
	var expired <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		expired = t.C
	}
	for !r.collect() {
		select {
		case <-r.none:
		case <-expired:
			return
		}
	}
}

// refuse makes every later start fail.
func (r *reaper) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = true
}

// fork starts a child and enters it into the table.
func (r *reaper) fork(path string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused {
		return nil, errStopping
	}
	var pid int
	var err error
	r.score.lowered(func() { pid, err = syscall.ForkExec(path, argv, attr) })
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, tty: attr.Sys.Setctty, done: make(chan struct{})}
	r.procs[pid] = p
	return p, nil
}

// signalGroup signals the process group of a child that has not been reaped.
func (r *reaper) signalGroup(p *process, s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.procs[p.pid] != p {
		return os.ErrProcessDone
	}
	return unix.Kill(-p.pid, s)
}

// signalAll signals every process of the container but ourselves. That is kill(-1), which is this only for the first
// process of a namespace; elsewhere it would be the whole machine, so there it is the groups of our children.
func (r *reaper) signalAll(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if os.Getpid() == 1 {
		unix.Kill(-1, s) //nolint:errcheck // ESRCH: there is nobody
		return
	}
	for pid := range r.procs {
		unix.Kill(-pid, s) //nolint:errcheck // ESRCH: it has ended
	}
}
