package checkout

import (
	"bufio"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/go-git/go-git/v5/plumbing"
	githash "github.com/go-git/go-git/v5/plumbing/hash"
)

// dircEntry is a file in the index, with what lstat(2) said about it: by that git sees that it did not change.
type dircEntry struct {
	name                       string
	hash                       plumbing.Hash
	mode                       uint32
	ctime, ctimeNs             uint32
	mtime, mtimeNs             uint32
	device, inode, uid, gid, n uint32
}

func (e *dircEntry) stat(st *syscall.Stat_t) {
	e.ctime, e.ctimeNs = uint32(st.Ctim.Sec), uint32(st.Ctim.Nsec)
	e.mtime, e.mtimeNs = uint32(st.Mtim.Sec), uint32(st.Mtim.Nsec)
	// Git keeps the lower half of each of these.
	e.device, e.inode, e.uid, e.gid, e.n = uint32(st.Dev), uint32(st.Ino), st.Uid, st.Gid, uint32(st.Size)
}

// chunks holds entries in places that do not move while others are added.
type chunks struct {
	parts [][]dircEntry
	n     int
}

const chunkSize = 1024

func (c *chunks) add(e dircEntry) *dircEntry {
	if c.n%chunkSize == 0 {
		c.parts = append(c.parts, make([]dircEntry, 0, chunkSize))
	}
	last := &c.parts[len(c.parts)-1]
	*last = append(*last, e)
	c.n++
	return &(*last)[len(*last)-1]
}

// writeDirc writes .git/index in git's format, version 2 (gitformat-index(5)), with the cache of trees, which spares git
// from reading the trees again to find that nothing is staged.
func (j *job) writeDirc(git *os.Root, t *worktree) (err error) {
	f, err := git.OpenFile("index", os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(fileMode); err != nil {
		return err
	}
	hash, buffer := githash.New(crypto.SHA1), bufio.NewWriterSize(f, 64<<10)
	w := &counting{w: io.MultiWriter(buffer, hash)}
	head := append([]byte("DIRC"), 0, 0, 0, 2)
	w.Write(binary.BigEndian.AppendUint32(head, uint32(t.entries.n))) //nolint:errcheck // Flush tells
	var line []byte
	for _, part := range t.entries.parts {
		for i := range part {
			line = part[i].append(line[:0])
			w.Write(line) //nolint:errcheck // Flush tells
		}
	}
	cache := t.dirs.append(nil)
	cache = append(binary.BigEndian.AppendUint32([]byte("TREE"), uint32(len(cache))), cache...)
	w.Write(cache)              //nolint:errcheck // Flush tells
	buffer.Write(hash.Sum(nil)) //nolint:errcheck // Flush tells
	if err := j.takeBytes(w.n + int64(hash.Size())); err != nil {
		return err
	}
	return buffer.Flush()
}

type counting struct {
	w io.Writer
	n int64
}

// Write counts what it passes on.
func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// maxNameFlag is what the index says of a longer name, which ends with its zero byte.
const maxNameFlag = 0xfff

func (e *dircEntry) append(b []byte) []byte {
	for _, v := range []uint32{
		e.ctime, e.ctimeNs, e.mtime, e.mtimeNs, e.device, e.inode, e.mode, e.uid, e.gid, e.n,
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = append(b, e.hash[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(min(len(e.name), maxNameFlag)))
	b = append(b, e.name...)
	// One to eight zero bytes, to a multiple of eight.
	return append(b, make([]byte, 8-len(b)%8)...)
}

// append writes a directory of the cache of trees, and those in it.
func (n *treeNode) append(b []byte) []byte {
	b = append(b, n.name...)
	b = fmt.Appendf(b, "\x00%d %d\n", n.entries, len(n.dirs))
	b = append(b, n.hash[:]...)
	for _, d := range n.dirs {
		b = d.append(b)
	}
	return b
}
