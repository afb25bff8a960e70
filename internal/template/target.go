package template

import (
	"path"
	"strings"
)

// Home is the session's own directory: HOME, the working directory, and what relative targets are under.
const Home = "/home/work"

// reservedTrees are targets that may not be mounted over, nor anything in them; reservedPaths only themselves, with the
// wildcards of path.Match.
func reservedTrees() []string {
	return []string{"/proc", "/sys", "/dev", "/.agentd", "/etc/passwd", "/etc/group"}
}

func reservedPaths() []string {
	return []string{
		"/", "/bin", "/boot", "/etc", "/home", Home, "/lib*", "/media", "/mnt", "/opt", "/root", "/run", "/sbin", "/srv",
		"/tmp", "/usr", "/usr/*", "/var", "/var/*",
	}
}

// CheckTarget returns the clean absolute path in the session of a mount or clone; relative ones are under [Home]. It
// refuses those that lead out of there, and those that would hide a part of the system.
func CheckTarget(target string) (clean string, err error) {
	switch {
	case target == "":
		return "", invalid("the target is empty")
	case strings.ContainsFunc(target, isControl):
		return "", invalid("the target %s has a control character", short(target))
	case strings.Contains(target, ":"):
		return "", invalid("the target %s has a ':', which only :ro and :rw at its end may have", short(target))
	case target == "~" || strings.HasPrefix(target, "~/"):
		return "", invalid("the target %s begins with '~': relative targets are under %s anyway", short(target), Home)
	}
	clean = path.Clean(target)
	if !path.IsAbs(clean) {
		if clean == ".." || strings.HasPrefix(clean, "../") {
			return "", invalid("the target %s leads out of %s", short(target), Home)
		}
		clean = path.Join(Home, clean)
	}
	for _, tree := range reservedTrees() {
		if Within(clean, tree) {
			return "", invalid("the target %s is reserved, as all of %s is", short(target), tree)
		}
	}
	for _, pattern := range reservedPaths() {
		if ok, _ := path.Match(pattern, clean); ok { //nolint:errcheck // the patterns are ours, and a test runs them all
			return "", invalid("the target %s is reserved: choose one below it", short(clean))
		}
	}
	return clean, nil
}

// Within reports whether the clean absolute path p is dir, or lies in it.
func Within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
