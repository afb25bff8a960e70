package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"agentd/internal/errs"
)

// job is what the parts of one [Run] share: its request, its budget, its warnings.
type job struct {
	req    Request
	report func(Progress)

	files, bytes, received atomic.Int64

	mu       sync.Mutex // guards what follows
	warnings []string
	last     time.Time
	fetched  []string
	origin   string
	copied   string
	suspects []string
	// fault is set when what went wrong may be the cache's.
	fault bool
}

func newJob(req Request, report func(Progress)) *job {
	if report == nil {
		report = func(Progress) {}
	}
	return &job{req: req, report: report}
}

// takeFiles and takeBytes count against the budget.
func (j *job) takeFiles(n int64) error {
	if j.files.Add(n) > j.req.Limits.Files {
		return errs.New(errs.TooLarge, "more than %d files and directories", j.req.Limits.Files)
	}
	return nil
}

func (j *job) takeBytes(n int64) error {
	if n < 0 || j.bytes.Add(n) > j.req.Limits.Bytes {
		return errs.New(errs.TooLarge, "more than %s", size(j.req.Limits.Bytes))
	}
	return nil
}

// maxWarnings keeps a hostile repository from filling the session's record.
const maxWarnings = 20

func (j *job) warn(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.warnings) < maxWarnings {
		j.warnings = append(j.warnings, clean(fmt.Sprintf(format, args...), 500))
	}
}

// progressEvery spaces the reports within a phase.
const progressEvery = 200 * time.Millisecond

// progress reports p if it is due, or if it begins or ends a phase.
func (j *job) progress(p Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if p.Done != 0 && (p.Total == 0 || p.Done < p.Total) && now.Sub(j.last) < progressEvery {
		return
	}
	j.last = now
	j.report(p)
}

func (j *job) result(m *made) Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Result{
		Commit: m.commit.String(), Branch: m.branch, Shallow: m.shallow,
		Files: j.files.Load(), Bytes: j.bytes.Load(), ReceivedBytes: j.received.Load(),
		Submodules: j.fetched, Warnings: j.warnings, Origin: j.origin, Copied: j.copied,
	}
}

// came notes how the objects of a repository came; of several, the one that cost most counts.
func (j *job) came(origin string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	order := []string{"", FromCache, FromCurrentCache, FromUpdatedCache, FromHost}
	if slices.Index(order, origin) > slices.Index(order, j.origin) {
		j.origin = origin
	}
}

// handed notes how packs came from the cache; a copy counts, as it costs room on the disk.
func (j *job) handed(way string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.copied != ByCopy {
		j.copied = way
	}
}

// suspect notes a repository of the cache that holds what an earlier fetch has brought.
func (j *job) suspect(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.suspects, name) {
		j.suspects = append(j.suspects, name)
	}
}

// Causes of the end of a context.
var (
	errTimeout = errors.New("took longer than allowed")
	errStalled = errors.New("the host sent nothing more")
)

// watch ends a context when nothing comes from the network for too long.
type watch struct {
	limit time.Duration
	timer *time.Timer
	stop  context.CancelCauseFunc
}

// watched returns a context that ends with errStalled unless tick is called often enough; release it.
func watched(ctx context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &watch{limit, time.AfterFunc(limit, func() { stop(errStalled) }), stop}
}

func (w *watch) tick() { w.timer.Reset(w.limit) }

// rest stops the clock while no byte is awaited.
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) release() {
	w.timer.Stop()
	w.stop(nil)
}

// size writes a number of bytes for a person.
func size(n int64) string {
	for _, u := range []struct {
		name string
		by   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.by {
			return fmt.Sprintf("%.4g %s", float64(n)/float64(u.by), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
