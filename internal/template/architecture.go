package template

import (
	"slices"
	"strings"

	"agentd/internal/errs"
)

// architectures are the OCI names, each with the names that uname, Debian, Backend.AI and people use.
func architectures() []key {
	return []key{
		{"amd64", "x86_64", "x86-64", "x64"},
		{"arm64", "aarch64", "arm64/v8", "armv8", "arm64v8"},
		{"arm/v7", "armv7", "armv7l", "armhf", "arm", "arm32v7"},
		{"arm/v6", "armv6", "armv6l", "armel", "arm32v6"},
		{"386", "i386", "i486", "i586", "i686", "x86"},
		{"ppc64le", "ppc64el"},
		{"riscv64"},
		{"s390x"},
		{"loong64", "loongarch64"},
		{"mips64le", "mips64el"},
	}
}

// DefaultArchitecture is that of a template which names none.
const DefaultArchitecture = "x86_64"

// NormalizeArchitecture returns the OCI name, such as amd64 or arm/v7, of an architecture by any of its usual names, with
// or without linux/ before it; case does not matter.
func NormalizeArchitecture(s string) (oci string, err error) {
	word := strings.TrimPrefix(strings.ToLower(s), "linux/")
	var known []string
	for _, names := range architectures() {
		if slices.Contains(names, word) {
			return names[0], nil
		}
		known = append(known, names[0])
	}
	return "", errs.New(errs.Invalid, "%s is not an architecture; known are %s, and their other usual names such as x86_64",
		short(s), strings.Join(known, ", "))
}
