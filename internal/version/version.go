// Package version is the build stamp that agentd and ctl tell each other and their users.
package version

import "runtime/debug"

// Version is set by the linker (-X agentd/internal/version.Version=v1.2.3); "dev" in a plain build.
//
//nolint:gochecknoglobals // the linker can set nothing else
var Version = "dev"

// String is the version, with the commit that the build was made from when the toolchain recorded it.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return Version + " (" + s.Value[:12] + ")"
		}
	}
	return Version
}
