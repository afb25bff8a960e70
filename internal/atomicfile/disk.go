package atomicfile

import "os"

// Disk does the changes of this package, and of those who use it, and tells of each once it is done, in order. The zero Disk
// tells nobody. With what it tells, a test can say what a disk may hold after a loss of power at any point.
type Disk struct {
	// Tell may be called concurrently, for changes of different files.
	Tell func(Change)
}

// Change is one change of a filesystem.
type Change struct {
	Op Op
	// Path is what is changed; To, the new name of a [Rename].
	Path, To string
	// Data is what an [Append] writes.
	Data []byte
}

// Op is a kind of change.
type Op string

// The kinds. A file or directory is durable, and so are the names in a directory, once it was synced.
const (
	Create     Op = "create"
	Append     Op = "append"
	Sync       Op = "sync"
	Rename     Op = "rename"
	Mkdir      Op = "mkdir"
	RemoveTree Op = "remove tree"
)

func (d Disk) tell(c Change) {
	if d.Tell != nil {
		d.Tell(c)
	}
}

// Rename gives a file or directory another name; that is durable once the directory is synced.
func (d Disk) Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d.tell(Change{Op: Rename, Path: from, To: to})
	return nil
}

// Removed tells of a tree that its owner has removed.
func (d Disk) Removed(path string) { d.tell(Change{Op: RemoveTree, Path: path}) }
