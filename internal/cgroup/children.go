package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"agentd/internal/errs"
)

// containerID is how the engine's cgroupfs driver names a container's group; systemd removes its own scopes by itself.
var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// EmptyChildren lists the ids of the containers whose groups beneath the group that the engine calls parent have no
// process in any hierarchy, sorted.
func (h *Host) EmptyChildren(parent string) ([]string, error) {
	busy := map[string]bool{}
	var all []string
	for _, root := range h.hierarchies() {
		above := filepath.Join(root, parentPath(parent))
		entries, err := os.ReadDir(above)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, errs.New(errs.Internal, "list the control groups of sessions: %w", err)
		}
		for _, e := range entries {
			if !e.IsDir() || !containerID.MatchString(e.Name()) {
				continue
			}
			all = append(all, e.Name())
			procs, err := os.ReadFile(filepath.Join(above, e.Name(), "cgroup.procs"))
			if !errors.Is(err, fs.ErrNotExist) && (err != nil || strings.TrimSpace(string(procs)) != "") {
				busy[e.Name()] = true
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(id string) bool { return busy[id] }), nil
}

// RemoveChild removes the groups of a container beneath parent; it is nil if there are none. The code is conflict if there
// is something in one.
func (h *Host) RemoveChild(parent, id string) error {
	if !containerID.MatchString(id) {
		return errs.New(errs.Internal, "remove the control group of %q: that is no container's id", id)
	}
	for _, root := range h.hierarchies() {
		// Only a group without processes and children can be removed at all.
		err := os.Remove(filepath.Join(root, parentPath(parent), id))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errs.New(errs.Conflict, "remove the control group of container %s: %w", id, err)
		}
	}
	return nil
}

// hierarchies are the directories of all that there are: one in version 2; in version 1 the engine makes groups in each,
// in those too that we do not look at.
func (h *Host) hierarchies() []string {
	if h.version != 1 {
		return []string{h.root}
	}
	entries, err := os.ReadDir(h.root)
	if err != nil {
		return nil
	}
	var list []string
	for _, e := range entries {
		// A link is a second name of one that is in the list.
		if e.IsDir() {
			list = append(list, filepath.Join(h.root, e.Name()))
		}
	}
	return list
}
