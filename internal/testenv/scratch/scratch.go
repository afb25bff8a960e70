// Package scratch removes directories of tests that may have mounts in them: the mounts go first, or nothing goes.
package scratch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Remove undoes every mount below dir and removes it. If a mount stays, so does all else: removing through it would
// delete what is not ours.
func Remove(dir string) error {
	// Three times, for a mount may have been made over another one.
	for range 3 {
		mounts, err := Mounts(dir)
		if err != nil {
			return err
		}
		for _, m := range slices.Backward(mounts) {
			if err := unix.Unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("unmount %s: %w", m, err)
			}
		}
	}
	left, err := Mounts(dir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still mounted, so not removed: %s", strings.Join(left, " "))
	}
	return os.RemoveAll(dir)
}

// Mounts lists the mount points below dir, in the order in which they were mounted.
func Mounts(dir string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		// proc(5): the fifth field is the mount point, with blanks and backslashes in octal.
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if path := unescape(fields[4]); strings.HasPrefix(path, dir+"/") {
			found = append(found, path)
		}
	}
	return found, nil
}

func unescape(s string) string {
	for _, c := range []string{" ", "\t", "\n", `\`} {
		s = strings.ReplaceAll(s, fmt.Sprintf(`\%03o`, c[0]), c)
	}
	return s
}
