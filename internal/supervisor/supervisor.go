// Package supervisor owns the live sessions: it admits, launches, watches and ends them, finds them again after a restart,
// and is the only writer of their records.
package supervisor

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"time"

	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// records keeps session records; each call is durable when it returns.
type records interface {
	Save(rec session.Record) error
	Load() ([]session.Record, error)
	Remove(owner uint32, id string) error
}

// Templates gives the template that a launch names, and the facts that its plan depends on.
type resolver interface {
	// Resolve finds the template as the caller and resolves it; it also returns the literal git credential, if any.
	Resolve(ctx context.Context, caller identity.Caller, req Request) (plan.Resolved, launch.Secrets, error)
}

// Exit is how a container ended, as the engine and agentd-init say together.
type Exit struct {
	// Code is nil if nobody saw it.
	Code *int
	OOM  bool
	// Lost is true if the container is gone, or the engine died over it; HostRestart, if the machine was restarted.
	Lost, HostRestart bool
	// EngineEnded is true if the engine ended it because it was itself stopped or started; Code is known.
	EngineEnded bool
	// At is when it ended; zero if that is not known.
	At time.Time
	// Steps are all results that agentd-init wrote, read after the end.
	Steps []StepResult
}

// watcher sees what becomes of containers.
type watcher interface {
	// Steps tells the results of the session's steps as they are written, from the first one on, until ctx ends.
	Steps(ctx context.Context, rec session.Record, tell func(StepResult)) error
	// Wait returns when the container has ended. It outlasts restarts of the engine: its silence decides nothing.
	Wait(ctx context.Context, rec session.Record) (Exit, error)
	// Signal asks the container to end, politely or at once.
	Signal(ctx context.Context, rec session.Record, force bool) error
}

// StepResult is a step that has begun or ended inside the session.
type StepResult struct {
	Step     string
	Ended    bool
	ExitCode int
	TimedOut bool
	Error    string
	Begin    time.Time
	End      time.Time
	// Tail is the end of the step's output, for a step that failed.
	Tail string
}

// Options are what a [Supervisor] needs.
type Options struct {
	Records  records
	Resolver resolver
	Ports    launch.Ports
	Watcher  watcher
	Engine   engine
	// Inventories list what sessions have outside of their records; see [Supervisor.Tend].
	Inventories []Inventory
	// Grace is how long what belongs to no record is left alone.
	Grace time.Duration
	// Files removes the files of ended sessions; KeepRecords is how long their records stay.
	Files       files
	KeepRecords time.Duration
	// Nonce makes the nonce of a session's id; nil means a random one, which nothing proves once the record is lost.
	Nonce func(id string) string
	// BootID names the boot of the machine that this process lives in.
	BootID string
	Places Places
	// Capacity is what there is of each slot; it is asked before a session waits for its own.
	Capacity func(ctx context.Context) (map[string]int64, error)
	// Quota is that of a user; nil means that nobody has one.
	Quota     func(owner uint32) Quota
	InitPath  string
	Log       *slog.Logger
	Now       func() time.Time
	Random    io.Reader
	StopGrace time.Duration
}

// Places says where a session's files lie.
type Places func(owner uint32, id string) launch.Directories

// Supervisor is safe for concurrent use.
type Supervisor struct {
	o         Options
	hub       *hub
	admission *admission

	// life ends when agentd stops: the goroutines of the sessions end with it, the sessions do not.
	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup

	retention *retention
	leftovers leftovers
	pulse     pulse

	// mu guards index.
	mu    sync.Mutex
	index index
}

// New returns a supervisor without sessions; [Supervisor.Restore] finds those of the last life.
func New(o Options) *Supervisor {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	life, end := context.WithCancel(context.Background())
	return &Supervisor{
		o: o, hub: newHub(o.Now), admission: newAdmission(o.Now, o.Quota), life: life, end: end, index: newIndex(),
		retention: newRetention(o.KeepRecords), leftovers: newLeftovers(),
	}
}

// Close lets go of the sessions without touching them, and waits until nothing of them runs in this process.
func (s *Supervisor) Close() {
	s.end()
	s.admission.close()
	s.wg.Wait()
}
