package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"

	"agentd/internal/plan"
)

// Info is what the engine says about itself and its machine.
type Info struct {
	// APIVersion is the one that was agreed on; ServerVersion is the program's.
	APIVersion    string
	ServerVersion string
	StorageDriver string
	// CgroupDriver is cgroupfs or systemd; CgroupVersion is 1 or 2.
	CgroupDriver  string
	CgroupVersion int
	// Runtimes are the names of the OCI runtimes, sorted.
	Runtimes       []string
	DefaultRuntime string
	// Podman is true if it is Podman that answers: ServerVersion is then Podman's.
	Podman bool
	// LiveRestore is true if containers outlive a stop of the engine.
	LiveRestore bool
	// SecurityOptions are as the engine writes them: name=seccomp,profile=default.
	SecurityOptions []string
	// Rootless and UsernsRemap change what a uid in a container is outside.
	Rootless    bool
	UsernsRemap bool
	// Native is the platform that the machine runs by itself.
	Native plan.Platform
	CPUs   int
	// MemoryBytes is the machine's memory.
	MemoryBytes int64
	RootDir     string
	Kernel      string
	// Time is the engine's clock when it answered.
	Time     time.Time
	Warnings []string
}

// Info asks the engine about itself.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	var info Info
	err := e.call(ctx, inspectTimeout, "ask the engine about itself", func(ctx context.Context, api *client.Client) error {
		raw, err := api.Info(ctx)
		if err != nil {
			return err
		}
		info = Info{
			APIVersion:      api.ClientVersion(),
			ServerVersion:   raw.ServerVersion,
			StorageDriver:   raw.Driver,
			CgroupDriver:    raw.CgroupDriver,
			CgroupVersion:   1,
			DefaultRuntime:  raw.DefaultRuntime,
			Podman:          e.isPodman(),
			LiveRestore:     raw.LiveRestoreEnabled,
			SecurityOptions: raw.SecurityOptions,
			Rootless:        hasOption(raw.SecurityOptions, "rootless"),
			UsernsRemap:     hasOption(raw.SecurityOptions, "userns"),
			Native:          nativePlatform(raw.OSType, raw.Architecture),
			CPUs:            raw.NCPU,
			MemoryBytes:     raw.MemTotal,
			RootDir:         raw.DockerRootDir,
			Kernel:          raw.KernelVersion,
			Time:            parseTime(raw.SystemTime),
			Warnings:        raw.Warnings,
		}
		if raw.CgroupVersion == "2" {
			info.CgroupVersion = 2
		}
		for name := range raw.Runtimes {
			info.Runtimes = append(info.Runtimes, name)
		}
		slices.Sort(info.Runtimes)
		return nil
	})
	return info, err
}

// nativePlatform makes an OCI platform of what the engine says, which is uname's word for the machine.
func nativePlatform(os, machine string) plan.Platform {
	p := plan.Platform{OS: os, Architecture: machine}
	switch machine {
	case "x86_64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "armv7l":
		p.Architecture, p.Variant = "arm", "v7"
	case "armv6l":
		p.Architecture, p.Variant = "arm", "v6"
	case "i386", "i486", "i586", "i686":
		p.Architecture = "386"
	}
	return p
}

// hasOption reports whether the engine's list of security options has one named name.
func hasOption(options []string, name string) bool {
	return slices.ContainsFunc(options, func(option string) bool {
		return slices.Contains(strings.Split(option, ","), "name="+name)
	})
}

func hasSeccomp(options []string) bool { return hasOption(options, "seccomp") }

// isPodman reports whether what answers is Podman: its form of this API takes a seccomp profile as the name of a file on
// its machine only, so that its own default has to do.
func isPodman(ctx context.Context, api *client.Client) bool {
	v, err := api.ServerVersion(ctx)
	return err == nil && slices.ContainsFunc(v.Components, func(c types.ComponentVersion) bool {
		return strings.HasPrefix(c.Name, "Podman")
	})
}

// isPodman reports what the last negotiation found.
func (e *Engine) isPodman() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.podman
}

// parseTime reads the engine's times; its "never" is the year 1, which is Go's zero time, as is what cannot be read.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
