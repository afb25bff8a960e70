package checkout

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what git names its packs by
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// The ways that packs get from the cache to a clone.
const (
	// ByReflink shares the blocks on the disk until one side writes; Btrfs and XFS can.
	ByReflink = "reflink"
	ByCopy    = "copy"
)

// hand gives a clone its own copy of the packs. What is in a pack is read as it is used, so the copy is checked against
// the checksum that the pack ends with: what the disk has changed since it was fetched is fetched again.
func (c *cached) hand(ctx context.Context, packs []*pack, to *os.Root) error {
	if c == nil {
		return nil
	}
	for _, p := range packs {
		// The index last: git looks for packs by it.
		for _, name := range []string{p.name + ".pack", p.name + ".idx"} {
			way, err := c.handOne(ctx, name, to)
			if err != nil {
				return err
			}
			c.j.handed(way)
		}
	}
	return nil
}

func (c *cached) handOne(ctx context.Context, name string, to *os.Root) (way string, err error) {
	from, err := c.root.Open(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errCache, err)
	}
	defer from.Close() //nolint:errcheck // read only
	info, err := from.Stat()
	if err != nil {
		return "", err
	}
	if err := c.j.takeBytes(info.Size()); err != nil {
		return "", err
	}
	f, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o444); err != nil {
		return "", err
	}
	var into io.Writer = f
	if way = ByCopy; unix.IoctlFileClone(int(f.Fd()), int(from.Fd())) == nil {
		way, into = ByReflink, io.Discard
	}
	return way, verified(ctx, into, from, info.Size())
}

// verified copies a file that ends with the SHA-1 of all before it.
func verified(ctx context.Context, to io.Writer, from io.Reader, size int64) error {
	hash := sha1.New() //nolint:gosec // see the import
	if size < int64(hash.Size()) {
		return fmt.Errorf("%w: a file of %d bytes", errCache, size)
	}
	body := io.LimitReader(from, size-int64(hash.Size()))
	buf := make([]byte, 512<<10)
	for {
		n, err := body.Read(buf)
		hash.Write(buf[:n])
		if _, werr := to.Write(buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%w: %w", errCache, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	sum := buf[:hash.Size()]
	if _, err := io.ReadFull(from, sum); err != nil || !bytes.Equal(sum, hash.Sum(nil)) {
		return fmt.Errorf("%w: it does not match its checksum", errCache)
	}
	_, err := to.Write(sum)
	return err
}

// WayIn says how packs get from a cache beneath dir into clones beneath it, by trying: [ByReflink] or [ByCopy].
func WayIn(dir string) (string, error) {
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(dir, ".reflink-")
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // nothing is kept
		if err := os.Remove(f.Name()); err != nil {
			return "", err
		}
		files[i] = f
	}
	if unix.IoctlFileClone(int(files[0].Fd()), int(files[1].Fd())) == nil {
		return ByReflink, nil
	}
	return ByCopy, nil
}
