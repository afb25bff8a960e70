package supervisor

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"agentd/internal/session"
)

// files removes what an ended session has left for its owner.
type files interface {
	// RemoveFiles removes the scratch and the clone beside it; none is no error.
	RemoveFiles(owner uint32, id string) error
}

// removeAfter is how long a session that was to be removed after its end can still be asked about: whoever waited for it
// wants to know how it ended.
const removeAfter = 10 * time.Second

// tryAgainIn is when a removal that failed is tried again.
const tryAgainIn = time.Hour

// retention knows what of the ended sessions is to be removed next: to ask for it costs nothing, however many there are.
type retention struct {
	keepRecords time.Duration
	// changed has room for one word that the next date may be an earlier one.
	changed chan struct{}

	mu    sync.Mutex
	dates dates
}

// date says that something of a session is to go, its files or all of it.
type date struct {
	at    time.Time
	id    string
	files bool
}

func newRetention(keepRecords time.Duration) *retention {
	return &retention{keepRecords: keepRecords, changed: make(chan struct{}, 1)}
}

// add notes the dates of a session that has ended and is cleaned up. A record stays as long as its files.
func (r *retention) add(rec session.Record) {
	if rec.Ended == nil {
		return
	}
	if rec.Queue.Remove {
		r.push(date{at: rec.Ended.Add(removeAfter), id: rec.ID})
		return
	}
	files := rec.Ended.Add(rec.Plan.Keep)
	record := rec.Ended.Add(max(r.keepRecords, rec.Plan.Keep))
	if files.Before(record) && !rec.FilesRemoved {
		r.push(date{at: files, id: rec.ID, files: true})
	}
	r.push(date{at: record, id: rec.ID})
}

func (r *retention) push(d date) {
	r.mu.Lock()
	heap.Push(&r.dates, d)
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// due takes out what is due by now, and tells how long it is until the next.
func (r *retention) due(now time.Time) (list []date, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.dates) > 0 && !r.dates[0].at.After(now) {
		list = append(list, heap.Pop(&r.dates).(date)) //nolint:forcetypeassert // nothing else is in it
	}
	if len(r.dates) == 0 {
		return list, forever
	}
	return list, r.dates[0].at.Sub(now)
}

// dates is a heap, the earliest first.
type dates []date

func (d dates) Len() int           { return len(d) }
func (d dates) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dates) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push adds a date; it is for package heap.
func (d *dates) Push(x any) { *d = append(*d, x.(date)) } //nolint:forcetypeassert // nothing else is pushed

// Pop takes the last one; it is for package heap.
func (d *dates) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

// retain removes records and files when their time has come, until ctx ends. Time is counted from the start of agentd by
// the monotonic clock: a clock that jumps ahead removes nothing before the next start.
func (s *Supervisor) retain(ctx context.Context) {
	begin := s.o.Now()
	steady := func() time.Time { return begin.Add(time.Since(begin)) }
	for {
		list, next := s.retention.due(steady())
		for _, d := range list {
			if ctx.Err() != nil {
				return
			}
			if err := s.expire(d); err != nil {
				s.o.Log.Error("remove what an ended session has left; it will be tried again", "session", d.id,
					"in", tryAgainIn, "error", err)
				d.at = steady().Add(tryAgainIn)
				s.retention.push(d)
			}
		}
		if len(list) > 0 {
			continue
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-s.retention.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// expire removes what is due of one session; one that its owner has removed meanwhile is none.
func (s *Supervisor) expire(d date) error {
	s.mu.Lock()
	l := s.index.byID[d.id]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	rec := l.snapshot()
	if !d.files {
		s.o.Log.Info("removed the record of an ended session: its time was over", "session", d.id, "ended", rec.Ended)
		return s.forget(l, rec)
	}
	if err := s.o.Files.RemoveFiles(rec.Owner, rec.ID); err != nil {
		return err
	}
	s.o.Log.Info("removed the files of an ended session: their time was over", "session", d.id, "ended", rec.Ended)
	return l.attempt.Commit(func(r *session.Record) { r.FilesRemoved = true })
}
