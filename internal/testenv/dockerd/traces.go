package dockerd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// traces are the files and directories of the machine that a private engine makes outside its own directory, because no
// flag says otherwise: true for those that were there before it.
type traces map[string]bool

// lookForTraces notes which of them are there. The order of restore is that of [tracePaths]: children first.
func lookForTraces() traces {
	before := traces{}
	for _, path := range tracePaths() {
		_, err := os.Lstat(path)
		before[path] = err == nil
	}
	return before
}

// tracePaths lists the places, children before parents.
func tracePaths() []string {
	return append([]string{
		"/run/docker/plugins", "/run/docker",
		"/run/containerd/s", "/run/containerd",
		"/etc/docker/key.json", "/etc/docker",
	}, controlGroups()...)
}

// controlGroups lists where engines keep the control groups of their containers by default: version 1 has a tree for each
// controller, version 2 has one.
func controlGroups() []string {
	paths := []string{"/sys/fs/cgroup/docker"}
	trees, _ := filepath.Glob("/sys/fs/cgroup/*/tasks") //nolint:errcheck // the pattern is right
	for _, tree := range append(trees, "/sys/fs/cgroup/unified/cgroup.procs") {
		paths = append(paths, filepath.Join(filepath.Dir(tree), "docker"))
	}
	return paths
}

// restore removes what was not there before. Something that is in use or not empty belongs to somebody else by now.
func (before traces) restore() error {
	var errs []error
	for _, path := range tracePaths() {
		if was, known := before[path]; was || !known {
			continue
		}
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) &&
			!errors.Is(err, syscall.EBUSY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
