package atomicfile

import "strings"

// TempOf returns the name of the file that a temporary file of [Write] was to become, and false for any other name.
// Write names them "." + NAME + digits, so NAME comes back without the digits that it may end in itself: give no file
// that is written here such a name.
func TempOf(name string) (target string, ok bool) {
	rest, dotted := strings.CutPrefix(name, ".")
	target = strings.TrimRight(rest, "0123456789")
	if !dotted || target == "" || target == rest {
		return "", false
	}
	return target, true
}
