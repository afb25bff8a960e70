package crash_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"agentd/internal/atomicfile"
)

// node is a file or directory of the modelled disk: as programs see it, and as the disk is bound to have it.
type node struct {
	dir bool
	// data and names are what programs see; the others are what was there at the last sync of this node.
	data, dataSynced   []byte
	names, namesSynced map[string]*node
	// pending are the changes of names since then, in order.
	pending []func(map[string]*node)
}

func newDir() *node {
	return &node{dir: true, names: map[string]*node{}, namesSynced: map[string]*node{}}
}

// rename notes a change of names, and makes it for those who look.
func (n *node) change(f func(map[string]*node)) {
	f(n.names)
	n.pending = append(n.pending, f)
}

// load reads a directory into a model in which all is on disk.
func load(t *testing.T, dir string) *node {
	t.Helper()
	n := newDir()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			n.names[e.Name()] = load(t, path)
			continue
		}
		data := read(t, path)
		n.names[e.Name()] = &node{data: data, dataSynced: data}
	}
	n.namesSynced = maps.Clone(n.names)
	return n
}

// disk is the modelled disk: the changes of one directory.
type disk struct {
	prefix string
	root   *node
}

// at finds a file or directory, nil if there is none.
func (d *disk) at(path string) *node {
	rel, _ := filepath.Rel(d.prefix, path)
	n := d.root
	for part := range strings.SplitSeq(rel, "/") {
		if part != "." && n != nil {
			n = n.names[part]
		}
	}
	return n
}

// apply makes a change as it was told. A change that the model cannot follow fails the test: the model would lie.
func (d *disk) apply(t *testing.T, c atomicfile.Change) {
	t.Helper()
	parent, name := d.at(filepath.Dir(c.Path)), filepath.Base(c.Path)
	if parent == nil {
		t.Fatalf("%s %s: its directory is not there", c.Op, c.Path)
	}
	switch c.Op {
	case atomicfile.Create:
		made := &node{}
		parent.change(func(m map[string]*node) { m[name] = made })
	case atomicfile.Mkdir:
		made := newDir()
		parent.change(func(m map[string]*node) { m[name] = made })
	case atomicfile.Append:
		n := d.at(c.Path)
		n.data = slices.Concat(n.data, c.Data)
	case atomicfile.Sync:
		if n := d.at(c.Path); n != nil {
			n.dataSynced, n.namesSynced, n.pending = n.data, maps.Clone(n.names), nil
		}
	case atomicfile.Rename:
		if filepath.Dir(c.To) != filepath.Dir(c.Path) {
			t.Fatalf("rename %s to %s: not in one directory", c.Path, c.To)
		}
		moved, to := d.at(c.Path), filepath.Base(c.To)
		// Lost or kept as a whole; a file that never came to the disk cannot be renamed on it.
		parent.change(func(m map[string]*node) {
			if m[name] == moved {
				delete(m, name)
			}
			m[to] = moved
		})
	case atomicfile.RemoveTree:
		parent.change(func(m map[string]*node) { delete(m, name) })
	default:
		t.Fatalf("the model does not know %s", c.Op)
	}
}

// loss is a way to lose power, by dice: which content of a file survives, and which names in a directory.
type loss struct {
	name string
	// power is false if only agentd is killed.
	power bool
	data  func(n *node, dice *rand.Rand) []byte
	names func(n *node, dice *rand.Rand) map[string]*node
}

func losses() []loss {
	nowData := func(n *node, _ *rand.Rand) []byte { return n.data }
	nowNames := func(n *node, _ *rand.Rand) map[string]*node { return n.names }
	// What was written and not synced is there up to some byte: none of it, most often.
	partData := func(n *node, dice *rand.Rand) []byte {
		if len(n.data) <= len(n.dataSynced) || dice.IntN(2) == 0 {
			return n.dataSynced
		}
		return n.data[:len(n.dataSynced)+dice.IntN(len(n.data)-len(n.dataSynced)+1)]
	}
	// Of the names, the changes since the last sync come to the disk in order, up to one of them.
	partNames := func(n *node, dice *rand.Rand) map[string]*node {
		names := maps.Clone(n.namesSynced)
		for _, change := range n.pending[:dice.IntN(len(n.pending)+1)] {
			change(names)
		}
		return names
	}
	return []loss{
		{"nothing lost", false, nowData, nowNames},
		{"unsynced contents lost", true, partData, nowNames},
		{"all unsynced lost from some point on", true, partData, partNames},
	}
}

// survives lists what a loss leaves: the content of files, "/" for directories.
func (l loss) survives(n *node, path string, dice *rand.Rand, out map[string]string) {
	names := l.names(n, dice)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at, below := names[name], filepath.Join(path, name)
		if !at.dir {
			out[below] = "f" + string(l.data(at, dice))
			continue
		}
		out[below] = "/"
		l.survives(at, below, dice, out)
	}
}

// materialise makes the files that survived.
func materialise(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.Mkdir(dir, 0o711))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, what := filepath.Join(dir, name), files[name]
		if what == "/" {
			must(t, os.Mkdir(path, 0o700))
		} else {
			must(t, os.WriteFile(path, []byte(what[1:]), 0o600))
		}
	}
}
