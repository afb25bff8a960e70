// Package cgroup looks after the control groups of the sessions: it makes and caps the group above them all, finds the
// group that a process is in, verifies what limits are in force there, reads its use, and tells of out-of-memory kills.
// It is the only package that knows containerd's library for that.
package cgroup

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentd/internal/errs"
)

// Host is where this machine has its groups.
type Host struct {
	// version is 1 or 2. A hybrid machine, which has the controllers in version 1, counts as 1.
	version int
	// root is the directory of the controllers' mounts of version 1, or the mount of version 2.
	root string
	// proc is where /proc is.
	proc string
}

// Open finds out which version this machine has, and where. The error has the code unsupported if it has none.
func Open() (*Host, error) { return open("/proc") }

func open(proc string) (*Host, error) {
	f, err := os.Open(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return nil, errs.New(errs.Unsupported, "find the control groups: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	version, root, err := findRoot(f)
	if err != nil {
		return nil, errs.New(errs.Unsupported, "find the control groups: %w", err)
	}
	return &Host{version: version, root: root, proc: proc}, nil
}

// Version is 1 or 2.
func (h *Host) Version() int { return h.version }

// findRoot looks for the memory controller in a mountinfo file: who has it in version 1 has that version.
func findRoot(mountinfo io.Reader) (version int, root string, err error) {
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		mount, super := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(super) < 3 {
			continue
		}
		point := mount[4]
		switch super[0] {
		case "cgroup":
			if slices.Contains(strings.Split(super[2], ","), "memory") {
				return 1, filepath.Dir(point), nil
			}
		case "cgroup2":
			if root == "" {
				version, root = 2, point
			}
		}
	}
	if err := lines.Err(); err != nil {
		return 0, "", err
	}
	if root == "" {
		return 0, "", errors.New("no cgroup filesystem with the memory controller is mounted")
	}
	return version, root, nil
}

// isGone reports whether err says that a group is not there any more: its files cannot be found, or, while it is being
// removed, not be read.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNoDevice(err) }
