package store

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"agentd/internal/layout"
)

// node is a file or directory of the model: as programs see it, and as a disk is bound to have it.
type node struct {
	dir bool
	// data and entries are what programs see; the others are what was there at the last fsync of this node.
	data, dataSynced       []byte
	entries, entriesSynced map[string]*node
}

func newDirNode() *node {
	return &node{dir: true, entries: map[string]*node{}, entriesSynced: map[string]*node{}}
}

// model replays the system calls of a change.
type model struct {
	t      *testing.T
	prefix string
	root   *node
	open   map[string]*node
	names  map[string]string
}

// loadModel reads a directory into a model in which all is on disk.
func loadModel(t *testing.T, dir string) *node {
	t.Helper()
	n := newDirNode()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			n.entries[e.Name()] = loadModel(t, path)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n.entries[e.Name()] = &node{data: data, dataSynced: data}
	}
	n.entriesSynced = maps.Clone(n.entries)
	return n
}

// parent finds the directory that a path is in; false if the path is not in the state directory.
func (m *model) parent(path string) (dir *node, name string, ok bool) {
	rel, inside := strings.CutPrefix(path, m.prefix+"/")
	if !inside {
		return nil, "", false
	}
	dir = m.root
	parts := strings.Split(rel, "/")
	for _, part := range parts[:len(parts)-1] {
		dir = dir.entries[part]
		if dir == nil || !dir.dir {
			return nil, "", false
		}
	}
	return dir, parts[len(parts)-1], true
}

// at joins the path of an *at call: relative to the current directory, or to an open one.
func (m *model) at(c call, fd, path int) string {
	if name := c.text(path); filepath.IsAbs(name) || c.args[fd] == "AT_FDCWD" {
		return name
	}
	return filepath.Join(m.names[c.args[fd]], c.text(path))
}

// apply does a call on the model. A call that changes files and is not known here fails the test: the model would lie.
func (m *model) apply(c call) {
	if c.result == "-1" || strings.HasPrefix(c.result, "?") {
		return
	}
	switch c.name {
	case "openat", "openat2":
		m.openat(c)
	case "close":
		delete(m.open, c.args[0])
	case "write":
		if n := m.open[c.args[0]]; n != nil {
			n.data = slices.Concat(n.data, []byte(c.text(1)))
		}
	case "fsync":
		if n := m.open[c.args[0]]; n != nil {
			n.dataSynced, n.entriesSynced = n.data, maps.Clone(n.entries)
		}
	case "mkdirat":
		if dir, name, ok := m.parent(m.at(c, 0, 1)); ok {
			dir.entries[name] = newDirNode()
		}
	case "unlinkat":
		if dir, name, ok := m.parent(m.at(c, 0, 1)); ok {
			delete(dir.entries, name)
		}
	case "renameat", "renameat2":
		from, old, ok := m.parent(m.at(c, 0, 1))
		to, name, ok2 := m.parent(m.at(c, 2, 3))
		if ok && ok2 {
			to.entries[name] = from.entries[old]
			delete(from.entries, old)
		}
	case "newfstatat", "fstat", "fcntl", "getdents64", "lseek", "read", "pread64", "fchmod", "fchmodat", "statx":
	default:
		if c.touchesFiles() {
			m.t.Fatalf("the model does not know %s(%s)", c.name, strings.Join(c.args, ", "))
		}
	}
}

// openat opens, or creates, a file of the model.
func (m *model) openat(c call) {
	path := m.at(c, 0, 1)
	m.names[c.result] = path
	if path == m.prefix {
		m.open[c.result] = m.root
		return
	}
	dir, name, ok := m.parent(path)
	if !ok {
		delete(m.open, c.result)
		return
	}
	n := dir.entries[name]
	if n == nil && strings.Contains(strings.Join(c.args, ""), "O_CREAT") {
		n = &node{}
		dir.entries[name] = n
	}
	m.open[c.result] = n
}

// loss is a way to lose power: which of a node's two states survive.
type loss struct {
	name    string
	data    func(n *node) []byte
	entries func(n *node) map[string]*node
}

// losses are the ways: of what was not synced all is lost, only contents are, only names are, or each by chance.
func losses() []loss {
	nowData := func(n *node) []byte { return n.data }
	oldData := func(n *node) []byte { return n.dataSynced }
	nowNames := func(n *node) map[string]*node { return n.entries }
	oldNames := func(n *node) map[string]*node { return n.entriesSynced }
	ways := []loss{
		{"all unsynced lost", oldData, oldNames},
		{"unsynced contents lost", oldData, nowNames},
		{"unsynced names lost", nowData, oldNames},
	}
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ways = append(ways, loss{
			fmt.Sprintf("lost by chance, seed %d", seed),
			func(n *node) []byte { return [][]byte{n.data, n.dataSynced}[rng.IntN(2)] },
			func(n *node) map[string]*node { return mixed(n, rng) },
		})
	}
	return ways
}

// mixed draws for each name whether its change survives. A rename is one change: what it moved is never lost under
// both names.
func mixed(n *node, rng *rand.Rand) map[string]*node {
	drawn, all := map[string]*node{}, maps.Clone(n.entries)
	maps.Copy(all, n.entriesSynced)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if e := []map[string]*node{n.entries, n.entriesSynced}[rng.IntN(2)][name]; e != nil {
			drawn[name] = e
		}
	}
	moved := slices.Collect(maps.Values(n.entries))
	survive := slices.Collect(maps.Values(drawn))
	for name, e := range n.entriesSynced {
		if slices.Contains(moved, e) && !slices.Contains(survive, e) {
			drawn[name] = e
		}
	}
	return drawn
}

// flatten lists what survives: the content of files, "/" for directories.
func (l loss) flatten(n *node, path string, out map[string]string) {
	entries := l.entries(n)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e, sub := entries[name], filepath.Join(path, name)
		if !e.dir {
			out[sub] = "f" + string(l.data(e))
			continue
		}
		out[sub] = "/"
		l.flatten(e, sub, out)
	}
}

// materialise makes the files.
func materialise(t *testing.T, state layout.State, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(string(state)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(string(state), 0o711); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, what := filepath.Join(string(state), name), files[name]
		var err error
		if what == "/" {
			err = os.Mkdir(path, fs.FileMode(0o700))
		} else {
			err = os.WriteFile(path, []byte(what[1:]), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPowerLoss_AtEverySystemCall(t *testing.T) {
	t.Parallel()
	strace := straceOf(t)
	dir := fastDir(t)
	for _, c := range crashCases(t, dir) {
		traced := copyState(t, c.base, filepath.Join(dir, "traced"))
		m := &model{t: t, prefix: string(traced), open: map[string]*node{}, names: map[string]string{}}
		m.root = loadModel(t, string(traced))
		calls, ready := traceHelper(t, strace, traced, c.op)
		states := map[string]bool{}
		points, news, acknowledged := 0, 0, false
		for i, call := range calls {
			if i <= ready {
				continue
			}
			m.apply(call)
			if !call.touchesFiles() {
				continue
			}
			acknowledged = acknowledged || call.name == "write" && call.args[0] == "3" && call.text(1) == helperDone
			points++
			for _, l := range losses() {
				files := map[string]string{}
				l.flatten(m.root, "", files)
				if key := strconv.FormatBool(acknowledged) + fmt.Sprint(files); states[key] {
					continue
				} else {
					states[key] = true
				}
				state := layout.State(filepath.Join(dir, "lost"))
				materialise(t, state, files)
				if c.check(t, state, acknowledged, fmt.Sprintf("%s after call %d, %s", l.name, i, call.name)) {
					news++
				}
			}
		}
		if !acknowledged {
			t.Errorf("%s: the trace holds no acknowledgement", c.op)
		}
		t.Logf("%-8s %d points, %d different states, %d of them new", c.op, points, len(states), news)
	}
}
