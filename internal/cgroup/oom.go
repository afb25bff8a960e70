package cgroup

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// WatchOOM calls told with the number of processes that were ended for want of memory, each time that it has grown,
// beginning with those of before. It returns nil when the group is gone, and an error with the code canceled with ctx.
//
// The engine is no witness of this: it says false when a child was ended, and true long after.
func (g *Group) WatchOOM(ctx context.Context, told func(kills int64)) error {
	events, err := g.oomEvents()
	if err != nil {
		return g.explain("watch for out of memory", err)
	}
	// Closing the file is what ends a read of it.
	stop := context.AfterFunc(ctx, func() { events.Close() }) //nolint:errcheck // nothing was written
	defer func() {
		if stop() {
			events.Close() //nolint:errcheck // nothing was written
		}
	}()
	w := oomWatch{group: g, told: told}
	// What was before is told first; a kill after this look wakes the read below.
	looks := 1
	buffer := make([]byte, 4096)
	for {
		gone, err := w.look(ctx, looks)
		if gone || err != nil {
			return err
		}
		looks = g.looks()
		if _, err := events.Read(buffer); err != nil {
			if ctx.Err() != nil {
				return errs.New(errs.Canceled, "watch for out of memory: %w", context.Cause(ctx))
			}
			return g.explain("watch for out of memory", err)
		}
	}
}

// looks is how often to look at the count after an event. Version 1 tells that memory is out before it looks for a
// process to end, and tells nothing afterwards: the count grows a moment later. Version 2 tells of the count itself.
func (g *Group) looks() int {
	if g.host.version == 1 {
		return 200
	}
	return 1
}

// lookPause is the time between two looks.
const lookPause = 10 * time.Millisecond

// oomWatch is what WatchOOM has told so far.
type oomWatch struct {
	group *Group
	told  func(int64)
	last  int64
}

// look looks at the count, at most times, until it has grown; gone says that there is no group any more.
func (w *oomWatch) look(ctx context.Context, times int) (gone bool, err error) {
	for i := range times {
		u, err := w.group.Usage()
		if errs.Is(err, errs.NotFound) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if u.OOMKills > w.last {
			w.last = u.OOMKills
			w.told(w.last)
			return false, nil
		}
		if i == times-1 {
			break
		}
		timer := time.NewTimer(lookPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, errs.New(errs.Canceled, "watch for out of memory: %w", context.Cause(ctx))
		}
	}
	return false, nil
}

// oomEvents is a file that can be read when there may be news: an eventfd of version 1, which the end of the group
// signals too, or an inotify of version 2, on the counts and on whether there are processes.
func (g *Group) oomEvents() (*os.File, error) {
	fd, err := g.oomDescriptor()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "oom events"), nil
}

func (g *Group) oomDescriptor() (int, error) {
	if g.host.version == 1 {
		group, err := g.load1()
		if err != nil {
			return 0, err
		}
		fd, err := group.OOMEventFD()
		return int(fd), err
	}
	group, err := g.load2()
	if err != nil {
		return 0, err
	}
	fd, _, err := group.MemoryEventFD()
	return fd, err
}
