package dockerd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"agentd/internal/testenv/scratch"
)

// lockName is the file of an engine's directory that its owner holds locked.
const lockName = "owner.lock"

func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Sweep removes the private engines whose owners are gone.
func Sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		lock, err := takeLock(dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(clear(dir), lock.Close()); err != nil {
			return fmt.Errorf("sweep %s: %w", dir, err)
		}
	}
	return nil
}

// clear kills the processes that belong to the engine in dir, undoes its mounts, and removes it.
func clear(dir string) error {
	killAll(dir)
	removeShimSockets(dir)
	removeControlGroups(dir)
	return scratch.Remove(dir)
}

// removeShimSockets removes the sockets of killed shims: containerd has them under /run, whatever its state directory is,
// and notes where in a file called address.
func removeShimSockets(dir string) {
	pattern := filepath.Join(dir, "containerd-state", "io.containerd.runtime.v2.task", "*", "*", "address")
	files, _ := filepath.Glob(pattern) //nolint:errcheck // the pattern is right
	for _, file := range files {
		address, err := os.ReadFile(file)
		if socket, ok := strings.CutPrefix(string(address), "unix://"); err == nil && ok {
			_ = os.Remove(socket) // A shim that ended well has removed it.
		}
	}
}

// removeControlGroups removes those of the engine's containers, which runc would have removed after an orderly end.
func removeControlGroups(dir string) {
	containers, _ := filepath.Glob(filepath.Join(dir, "data", "containers", "*")) //nolint:errcheck // the pattern is right
	for _, container := range containers {
		for _, parent := range controlGroups() {
			_ = os.Remove(filepath.Join(parent, filepath.Base(container))) // Most often it is not there any more.
		}
	}
}

// killAll ends the processes that have the engine's directory on their command line (its daemons and shims) and all that
// they started (the containers). It looks again until there is nothing left: a shim may start one more while it is read.
func killAll(dir string) {
	for range 100 {
		victims := processesOf(dir)
		if len(victims) == 0 {
			return
		}
		for _, pid := range victims {
			// It may have ended by itself.
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// killContainers ends what the engine's shims have started.
func killContainers(dir string) {
	for pid, cmdline := range named(dir) {
		if !bytes.Contains(cmdline, []byte("containerd-shim")) {
			continue
		}
		for _, pid := range descendants(pid) {
			// It may have ended by itself.
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// processesOf lists what belongs to the engine in dir.
func processesOf(dir string) []int {
	var found []int
	for pid := range named(dir) {
		found = append(found, pid)
		found = append(found, descendants(pid)...)
	}
	return found
}

// named returns the processes that have the engine's directory on their command line, and those.
func named(dir string) map[int][]byte {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") //nolint:errcheck // the pattern is right
	found := map[int][]byte{}
	for _, file := range files {
		cmdline, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(cmdline, []byte(dir+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() {
			found[pid] = cmdline
		}
	}
	return found
}

func descendants(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) //nolint:errcheck // the pattern is right
	var found []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
				found = append(found, descendants(child)...)
			}
		}
	}
	return found
}
