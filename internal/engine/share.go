package engine

import (
	"context"
	"sync"

	"agentd/internal/errs"
)

// flights are the pulls that are under way, by key. The zero value is ready.
type flights struct {
	mu      sync.Mutex
	flights map[string]*flight
}

// flight is one pull and those who wait for it.
type flight struct {
	cancel context.CancelCauseFunc
	// done is closed when img and err are set.
	done chan struct{}
	img  Image
	err  error

	mu sync.Mutex
	// waiters each have a channel of size one that says that state is new.
	waiters map[chan struct{}]struct{}
	state   PullProgress
}

// run is the work that is shared.
type run func(ctx context.Context, report func(PullProgress)) (Image, error)

// join waits for the flight with that key, and starts it with do if there is none. It ends with ctx for this caller, and
// for all when nobody waits any more.
func (f *flights) join(ctx context.Context, key string, do run, progress func(PullProgress)) (Image, error) {
	if err := ctx.Err(); err != nil {
		return Image{}, errs.New(errs.Canceled, "pull: %w", context.Cause(ctx))
	}
	fl, news := f.board(ctx, key, do)
	for {
		select {
		case <-news:
			if progress != nil {
				progress(fl.progress())
			}
		case <-fl.done:
			f.leave(key, fl, news)
			return fl.img, fl.err
		case <-ctx.Done():
			f.leave(key, fl, news)
			code := errs.Canceled
			if ctx.Err() == context.DeadlineExceeded { //nolint:errorlint // Err is documented to return just this
				code = errs.Timeout
			}
			return Image{}, errs.New(code, "wait for the pull: %w", context.Cause(ctx))
		}
	}
}

// board adds a waiter to the flight, which it may have to start.
func (f *flights) board(ctx context.Context, key string, do run) (*flight, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.flights[key]
	if fl == nil {
		// The flight has a life of its own: it must not end with the caller who came first.
		life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		fl = &flight{cancel: cancel, done: make(chan struct{}), waiters: map[chan struct{}]struct{}{}}
		if f.flights == nil {
			f.flights = map[string]*flight{}
		}
		f.flights[key] = fl
		go func() {
			defer cancel(nil)
			img, err := do(life, fl.report)
			f.land(key, fl, img, err)
		}()
	}
	news := make(chan struct{}, 1)
	fl.mu.Lock()
	fl.waiters[news] = struct{}{}
	fl.mu.Unlock()
	return fl, news
}

// land tells the result; who comes after this starts a new flight.
func (f *flights) land(key string, fl *flight, img Image, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.img, fl.err = img, err
	close(fl.done)
	if f.flights[key] == fl {
		delete(f.flights, key)
	}
}

// leave takes a waiter off, and ends the flight if he was the last. From then on nobody can join it.
func (f *flights) leave(key string, fl *flight, news chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.mu.Lock()
	defer fl.mu.Unlock()
	delete(fl.waiters, news)
	if len(fl.waiters) == 0 {
		fl.cancel(errNobodyWaits)
		if f.flights[key] == fl {
			delete(f.flights, key)
		}
	}
}

// errNobodyWaits ends a pull whose callers have all gone away.
var errNobodyWaits = errs.New(errs.Canceled, "nobody waits for it any more")

// report sets the newest state and wakes the waiters; one who is slow misses the states between.
func (fl *flight) report(state PullProgress) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.state = state
	for news := range fl.waiters {
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

func (fl *flight) progress() PullProgress {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.state
}

// locks are mutexes by name whose waiters can be cancelled. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*nameLock
}

type nameLock struct {
	// token is in the channel while nobody holds the lock.
	token chan struct{}
	users int
}

// lock waits for the lock called name and returns what unlocks it, or the cause that ended ctx.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	l.mu.Lock()
	n := l.held[name]
	if n == nil {
		n = &nameLock{token: make(chan struct{}, 1)}
		n.token <- struct{}{}
		if l.held == nil {
			l.held = map[string]*nameLock{}
		}
		l.held[name] = n
	}
	n.users++
	l.mu.Unlock()
	release := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n.users--; n.users == 0 {
			delete(l.held, name)
		}
	}
	select {
	case <-n.token:
		return func() { n.token <- struct{}{}; release() }, nil
	case <-ctx.Done():
		release()
		return nil, context.Cause(ctx)
	}
}
