package checkout

import (
	"slices"
	"strings"

	"agentd/internal/errs"
)

// checkName refuses the names in trees that git refuses: what leads elsewhere, and all that is .git on some file system
// (the case folded, with the characters that HFS+ passes over, with what NTFS cuts off or calls it for short), since
// people copy work trees.
func checkName(name string, link bool) error {
	bad := ""
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		bad = "is no name of a file"
	case isDot(name, "git"):
		bad = "means the repository itself"
	case link && isDot(name, "gitmodules"):
		bad = "may not be a symbolic link"
	}
	if bad == "" {
		return nil
	}
	return errs.New(errs.Invalid, "the repository holds a file %q, whose name %s", clean(name, 100), bad).
		WithHint("do not use this repository: such files are made to attack")
}

// shortNames are what NTFS calls these files in 8.3.
func shortNames(needle string) []string {
	if needle == "git" {
		return []string{"git~1"}
	}
	return []string{"gitmod~1", "gitmod~2", "gitmod~3", "gitmod~4", "gi7eba~1", "gi7eba~2", "gi7eba~3", "gi7eba~4"}
}

// isDot reports whether some file system takes name for "." + needle.
func isDot(name, needle string) bool {
	ntfs, _, _ := strings.Cut(name, ":") // a stream of a file
	ntfs = strings.ToLower(strings.TrimRight(ntfs, " ."))
	if ntfs == "."+needle {
		return true
	}
	if slices.Contains(shortNames(needle), ntfs) {
		return true
	}
	hfs := strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, name)
	return strings.EqualFold(hfs, "."+needle)
}
