package engine

import (
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// stopSignal is what agentd-init ends on; the image's own choice is not asked.
const stopSignal = "SIGTERM"

// configOf is the part of a container that the engine's API calls portable.
func configOf(s Spec) *container.Config {
	return &container.Config{
		Hostname:    s.Hostname,
		User:        s.User,
		Env:         envOf(s.Env, s.Image.Config.Env),
		Entrypoint:  s.Entrypoint,
		Cmd:         []string{},
		Image:       s.Image.ID,
		WorkingDir:  "/",
		Labels:      labelsFor(s),
		StopSignal:  stopSignal,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
}

// envOf is env and, for each variable of the image that is not in it, its bare name: to the engine this means that the
// variable is not to be set. The image's would reach agentd-init, a Go program, which GODEBUG and the like change.
func envOf(env, image []string) []string {
	out := slices.Clone(env)
	for _, variable := range image {
		name, _, _ := strings.Cut(variable, "=")
		has := slices.ContainsFunc(out, func(set string) bool {
			other, _, _ := strings.Cut(set, "=")
			return other == name
		})
		// PATH is needed by the engine, which looks up a relative entrypoint; without a value it would be set anyway.
		if !has && name != "PATH" && name != "" {
			out = append(out, name)
		}
	}
	return out
}

// labelsFor are ours, and the image's emptied: they are a stranger's, and others may act on them.
func labelsFor(s Spec) map[string]string {
	labels := map[string]string{}
	for name := range s.Image.Config.Labels {
		labels[name] = ""
	}
	maps.Copy(labels, s.Labels.labelMap())
	return labels
}

// hostConfigOf is the part of a container that touches the host. seccomp is the profile, or "" where the engine filters
// no system calls.
func hostConfigOf(s Spec, seccomp string) *container.HostConfig {
	noInit := false
	h := &container.HostConfig{
		NetworkMode:    container.NetworkMode(s.Network),
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		IpcMode:        container.IPCModePrivate,
		CapDrop:        []string{"ALL"},
		CapAdd:         s.Capabilities,
		GroupAdd:       s.Groups,
		ReadonlyRootfs: s.ReadOnlyRoot,
		SecurityOpt:    []string{"no-new-privileges"},
		ShmSize:        s.Limits.ShmBytes,
		Runtime:        s.Runtime,
		Init:           &noInit,
		// agentd-init keeps the session's log. This one holds its own last words only, such as a Go panic.
		LogConfig: container.LogConfig{
			Type: "json-file", Config: map[string]string{"max-size": "64k", "max-file": "1"},
		},
		Resources: resourcesOf(s),
	}
	if seccomp != "" {
		h.SecurityOpt = append(h.SecurityOpt, "seccomp="+seccomp)
	}
	for _, m := range s.Mounts {
		h.Mounts = append(h.Mounts, mountOf(m))
	}
	h.Mounts = append(h.Mounts, imageVolumes(s)...)
	return h
}

func resourcesOf(s Spec) container.Resources {
	r := container.Resources{
		NanoCPUs: s.Limits.NanoCPUs,
		Memory:   s.Limits.MemoryBytes,
		// Equal means no swap; left out it would be twice the memory.
		MemorySwap:   s.Limits.MemoryBytes,
		CgroupParent: s.Limits.CgroupParent,
	}
	if s.Limits.Pids > 0 {
		r.PidsLimit = &s.Limits.Pids
	}
	for _, u := range s.Limits.Ulimits {
		r.Ulimits = append(r.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, d := range s.Devices {
		r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{
			Driver: d.Driver, Count: d.Count, DeviceIDs: d.IDs, Capabilities: d.Capabilities,
		})
	}
	return r
}

func mountOf(m Mount) mount.Mount {
	out := mount.Mount{Type: mount.Type(m.Kind), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	switch m.Kind {
	case MountBind:
		// Private: what the session mounts, or what is mounted on the host later, is nobody else's.
		out.BindOptions = &mount.BindOptions{Propagation: mount.PropagationRPrivate}
	case MountVolume:
		// A volume of ours is somebody's directory: nothing of the image belongs there.
		out.VolumeOptions = &mount.VolumeOptions{NoCopy: true}
	case MountTmpfs:
		out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: m.SizeBytes}
	}
	return out
}

// imageVolumes are the VOLUMEs of the image. The engine makes an anonymous volume for each in any case; made by our own
// words it has our labels, so that one which a crash left behind is found, and it goes with the container ([Engine.Remove]).
// What the image has there is copied in, as its author expects.
func imageVolumes(s Spec) []mount.Mount {
	var out []mount.Mount
	for _, path := range s.Image.Config.Volumes {
		if slices.ContainsFunc(s.Mounts, func(m Mount) bool { return m.Target == path }) {
			continue
		}
		out = append(out, mount.Mount{
			Type: mount.TypeVolume, Target: path,
			VolumeOptions: &mount.VolumeOptions{Labels: s.Labels.labelMap()},
		})
	}
	return out
}
