package checkout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Cache is where fetched objects are kept, so that they are fetched once. It is the caller's own, like all that is done
// here; what a repository's code may write to, it never shares: a clone gets its packs by a copy.
type Cache struct {
	// Dir is an absolute directory of the caller's that is there; "" for no cache.
	Dir string `json:"dir,omitempty"`
	// MaxBytes bounds what is kept; the least recently used repositories go first, and none that is in use.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// entryFiles of a cached repository, beside its packs, their indexes and tables.
const (
	// useLock is held shared by whoever reads, and alone by whoever removes. Its time is that of the last use.
	useLock = "use"
	// fetchLock is held by the one who fetches.
	fetchLock = "fetch"
	stateFile = "state.json"
	// awayPrefix is that of repositories on their way out, which a killed process may have left.
	awayPrefix = ".away-"
)

// errCache marks what is wrong with the cache itself.
var errCache = errors.New("the cached copy is damaged")

// cached is one repository in the cache, held so that nobody removes it.
type cached struct {
	j     *job
	name  string
	root  *os.Root
	path  string
	locks []*os.File
	state cacheState
	// full has the objects of all whole fetches.
	full *store
}

// cacheName is the name of a repository in the cache: its URL tells nothing there that is not in the session's record,
// but may be longer than a file's name.
func cacheName(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:16])
}

// openCache holds the repository of s in the cache; nil without a cache.
func (j *job) openCache(ctx context.Context, s source) (*cached, error) {
	if j.req.Cache.Dir == "" {
		return nil, nil //nolint:nilnil // no cache is no failure
	}
	top, err := os.OpenRoot(j.req.Cache.Dir)
	if err != nil {
		return nil, err
	}
	defer top.Close() //nolint:errcheck // a directory
	name := cacheName(s.url)
	for {
		c, err := j.hold(ctx, top, name)
		if err != nil {
			return nil, err
		}
		if !c.current(top) {
			// It was taken away between its opening and its lock.
			c.close()
			continue
		}
		if err := c.load(); err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	}
}

// hold opens a repository's directory, which it makes if need be, and locks it against removal.
func (j *job) hold(ctx context.Context, top *os.Root, name string) (*cached, error) {
	for {
		if err := top.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		root, err := top.OpenRoot(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		c := &cached{j: j, name: name, root: root, path: filepath.Join(j.req.Cache.Dir, name)}
		err = c.lock(ctx, useLock, unix.LOCK_SH)
		if err == nil {
			now := time.Now()
			err = root.Chtimes(useLock, now, now)
		}
		if err == nil {
			return c, nil
		}
		c.close()
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// current reports whether the cache still has this very directory.
func (c *cached) current(top *os.Root) bool {
	there, err := top.Lstat(c.name)
	mine, err2 := c.root.Stat(".")
	return err == nil && err2 == nil && os.SameFile(there, mine)
}

// lock takes a lock of the directory until close. A process that dies lets go of its locks.
func (c *cached) lock(ctx context.Context, name string, how int) error {
	f, err := c.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if unix.Flock(int(f.Fd()), how|unix.LOCK_NB) == nil {
		c.locks = append(c.locks, f)
		return nil
	}
	locked := make(chan error, 1)
	go func() {
		err := unix.Flock(int(f.Fd()), how)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(f.Fd()), how)
		}
		locked <- err
	}()
	select {
	case err := <-locked:
		if err != nil {
			return errors.Join(err, f.Close())
		}
		c.locks = append(c.locks, f)
		return nil
	case <-ctx.Done():
		// The one who waits in the kernel lets go when its turn has come, or with the process.
		go func() {
			<-locked  //nolint:errcheck // nobody waits for it any more
			f.Close() //nolint:errcheck // a lock
		}()
		return context.Cause(ctx)
	}
}

// release lets go of the newest lock.
func (c *cached) release() {
	last := len(c.locks) - 1
	c.locks[last].Close() //nolint:errcheck // a lock
	c.locks = c.locks[:last]
}

func (c *cached) close() {
	if c == nil {
		return
	}
	for len(c.locks) > 0 {
		c.release()
	}
	c.root.Close() //nolint:errcheck // a directory
}

// putAway takes a repository out of the cache; who reads it sees that it is gone and begins again.
func (r Request) putAway(name string, remove func(root, path string) error) error {
	top, err := os.OpenRoot(r.Cache.Dir)
	if err != nil {
		return err
	}
	defer top.Close() //nolint:errcheck // a directory
	away := fmt.Sprintf("%s%s-%d-%d", awayPrefix, name, os.Getpid(), time.Now().UnixNano())
	if err := top.Rename(name, away); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return remove(r.Cache.Dir, away)
}

// shelf is a repository in the cache as its budget sees it.
type shelf struct {
	name  string
	bytes int64
	used  time.Time
}

// evict keeps the cache within its budget: what was used longest ago goes first, and nothing that is in use.
func (r Request) evict(remove func(root, path string) error) error {
	top, err := os.OpenRoot(r.Cache.Dir)
	if err != nil {
		return err
	}
	defer top.Close() //nolint:errcheck // a directory
	entries, err := fs.ReadDir(top.FS(), ".")
	if err != nil {
		return err
	}
	var all []shelf
	var total int64
	for _, e := range entries {
		if len(e.Name()) > len(awayPrefix) && e.Name()[:len(awayPrefix)] == awayPrefix {
			err = errors.Join(err, remove(r.Cache.Dir, e.Name()))
			continue
		}
		s := weigh(top, e.Name())
		total += s.bytes
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b shelf) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, s := range all {
		if total <= r.Cache.MaxBytes {
			break
		}
		gone, failed := r.evictOne(top, s.name, remove)
		if gone {
			total -= s.bytes
		}
		err = errors.Join(err, failed)
	}
	return err
}

// evictOne removes a repository unless somebody uses it: the lock is held until it has left its place, so that whoever
// comes in between finds it gone.
func (r Request) evictOne(top *os.Root, name string, remove func(root, path string) error) (gone bool, err error) {
	f, err := top.OpenFile(filepath.Join(name, useLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, nil //nolint:nilerr // it has just gone
	}
	defer f.Close() //nolint:errcheck // a lock
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false, nil
	}
	return true, r.putAway(name, remove)
}

// weigh counts what a repository takes.
func weigh(top *os.Root, name string) shelf {
	s := shelf{name: name}
	files, err := fs.ReadDir(top.FS(), name)
	if err != nil {
		return s
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue
		}
		s.bytes += info.Size()
		if f.Name() == useLock {
			s.used = info.ModTime()
		}
	}
	return s
}
