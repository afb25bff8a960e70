package sessioninit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/errs"
	"agentd/internal/frame"
	"agentd/internal/job"
)

// initd is the one agentd-init of the process.
type initd struct {
	// dir is the session's directory; the session's code writes there too.
	dir    *os.File
	reaper *reaper
	log    *logger
	server *server
	// jobs gets the one job.
	jobs chan *job.Job
	// stopping is closed at the first TERM or INT, over when all is said.
	stopping chan struct{}
	over     chan struct{}
	// pumps are the readers of the steps' output.
	pumps sync.WaitGroup

	mu      sync.Mutex
	job     *job.Job
	idle    bool
	stopSig unix.Signal
	results []job.Result
	// current is the running step; changed is closed, and made anew, when another one runs, or none will.
	current *running
	changed chan struct{}
	execs   map[int]*process
}

// open prepares everything that can fail before the first step: the directory, the log, the socket.
func open(path string, score *oomScore) (*initd, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, errs.New(errs.Internal, "session's directory: %w", err)
	}
	in := &initd{
		dir: dir, reaper: newReaper(score), log: newLogger(dir, job.LogName),
		jobs: make(chan *job.Job, 1), stopping: make(chan struct{}), over: make(chan struct{}),
		execs: map[int]*process{}, changed: make(chan struct{}),
	}
	if in.server, err = listen(in, filepath.Join(path, job.SocketName)); err != nil {
		return nil, err
	}
	j, err := takeJob(dir)
	switch {
	case err != nil:
		return nil, err
	case j != nil:
		return in, in.accept(j)
	}
	return in, nil
}

// takeJob reads the job file and removes it; nil if there is none.
func takeJob(dir *os.File) (*job.Job, error) {
	data, err := beneath.ReadFile(dir, job.FileName, job.MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no job is no fault: it comes over the socket
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "job file: %w", err)
	}
	j, err := job.Parse(data)
	if err != nil {
		return nil, err
	}
	if err := unlink(dir, job.FileName); err != nil {
		return nil, errs.New(errs.Internal, "job file: remove: %w", err)
	}
	return j, nil
}

// accept makes j the job, unless there is one.
func (in *initd) accept(j *job.Job) error {
	if err := j.Check(); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.job != nil {
		return errs.New(errs.Conflict, "session %s has its job already", in.job.Session)
	}
	if in.stopSig != 0 {
		return errs.New(errs.Conflict, "session is stopping")
	}
	in.job = j
	in.jobs <- j // has room for one, and there is only one
	return nil
}

// run is the whole life; it returns the exit code.
func (in *initd) run() int {
	unix.Umask(0o022)
	in.watchSignals()
	go in.log.run()
	go in.server.serve()
	code := in.work()
	in.finish()
	return code
}

func (in *initd) work() int {
	var j *job.Job
	select {
	case j = <-in.jobs:
	case <-in.stopping:
		return in.stopCode()
	}
	in.log.limit(j.LogMaxBytes)
	code, decided := in.steps(j)
	if decided {
		return code
	}
	in.mu.Lock()
	in.idle = true
	in.changeLocked()
	in.mu.Unlock()
	<-in.stopping
	return in.stopCode()
}

// state is one of frame's; mu is held.
func (in *initd) stateLocked() string {
	switch {
	case in.stopSig != 0:
		return frame.StateStopping
	case in.job == nil:
		return frame.StateWarm
	case in.idle:
		return frame.StateIdle
	}
	return frame.StateRunning
}

// stopGrace is the time from polite to forced.
func (in *initd) stopGrace() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.job == nil || in.job.StopGrace == 0 {
		return job.DefaultStopGrace
	}
	return in.job.StopGrace
}

// say writes a line of our own into the session's log.
func (in *initd) say(text string) { in.log.say(text) }
