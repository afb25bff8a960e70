package cgroup

import (
	"context"
	"errors"
	"os"

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
	buffer := make([]byte, 4096)
	var last int64
	for {
		u, err := g.Usage()
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if u.OOMKills > last {
			last = u.OOMKills
			told(last)
		}
		if _, err := events.Read(buffer); err != nil {
			if ctx.Err() != nil {
				return errs.New(errs.Canceled, "watch for out of memory: %w", context.Cause(ctx))
			}
			return g.explain("watch for out of memory", err)
		}
	}
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
