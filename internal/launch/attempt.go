package launch

import (
	"sync"
	"time"

	"agentd/internal/layout"
	"agentd/internal/session"
)

// Attempt is one session on its way up or down: its record, what the steps need, and whom they tell.
type Attempt struct {
	Ports
	// Dir are the session's directories.
	Dir Directories
	// InitPath is agentd-init on the host.
	InitPath string
	// BootID names the boot of the machine that this process lives in.
	BootID string
	// Secrets came with the launch and are stored nowhere; they are zero after a restart.
	Secrets Secrets
	// Clock is time.Now outside tests.
	Clock func() time.Time
	// Tell gets what the user sees while he waits; it does not block.
	Tell func(event any)
	// Save makes a record durable.
	Save func(session.Record) error

	// mu guards record: the steps of one stage run side by side.
	mu     sync.Mutex
	record session.Record
	// image and binds are known only to this process: after a restart their steps are done again.
	image Image
	binds []Bind
}

// Directories are where a session's files lie on the host.
type Directories struct {
	Session layout.Session
	// Scratch is the session's /home/work; Checkout, the clone's if its destination lies elsewhere.
	Scratch, Checkout string
}

// NewAttempt returns an attempt on rec.
func NewAttempt(rec session.Record, ports Ports, dir Directories) *Attempt {
	return &Attempt{
		Ports: ports, Dir: dir, Clock: time.Now, Tell: func(any) {}, record: rec,
		Save: func(session.Record) error { return nil },
	}
}

// Record returns a copy of the record as it is now.
func (a *Attempt) Record() session.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.record
}

// Change alters the record in memory; it becomes durable with the next Commit.
func (a *Attempt) Change(f func(*session.Record)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.record)
}

// Commit alters the record and makes it durable before it returns: for what is about to be done outside, and for what
// must not be forgotten.
func (a *Attempt) Commit(f func(*session.Record)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.record)
	a.record.Sequence++
	return a.Save(a.record)
}

// Image returns what the image step found.
func (a *Attempt) Image() Image {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.image
}

func (a *Attempt) setImage(i Image) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.image = i
}

func (a *Attempt) heldBinds() []Bind {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.binds
}

func (a *Attempt) setBinds(b []Bind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.binds = b
}

// Secrets are what a launch brings and nothing keeps.
type Secrets struct {
	GitUsername, GitPassword string
	SSHAuthSock              string
	RegistryUsername         string
	RegistryPassword         string
	RegistryIdentityToken    string
}

// States of a [StepEvent].
const (
	StateBegin  = "begin"
	StateEnd    = "end"
	StateFailed = "failed"
	// StateCancelled is that of a step that was ended because another one had failed.
	StateCancelled = "cancelled"
)

// StepEvent tells that a step begins, has ended or has failed.
type StepEvent struct {
	Step  string
	State string
	Took  time.Duration
	Err   error
}

// Progress tells how far a step is.
type Progress struct {
	Step        string
	Done, Total int64
	// Unit is bytes, objects or files.
	Unit string
	Text string
}

// Note is a sentence that the user should read.
type Note struct {
	Step string
	Text string
}
