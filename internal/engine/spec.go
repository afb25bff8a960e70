package engine

// Spec is a container to make. What it does not mention is not to be had: no capabilities, no new privileges, no restart,
// no health check, nothing of the image's own ENTRYPOINT, CMD, USER, WORKDIR, STOPSIGNAL and ENV.
type Spec struct {
	// Name is unique on the engine: see [layout.ContainerName].
	Name   string
	Image  Image
	Labels Labels
	// User is uid:gid; Groups are the supplementary gids.
	User   string
	Groups []string
	// Capabilities are added to none, as CHOWN.
	Capabilities []string
	Hostname     string
	// Entrypoint is the program and its arguments.
	Entrypoint []string
	// Env is NAME=VALUE; the engine adds PATH, HOSTNAME and HOME if they are not in it.
	Env    []string
	Mounts []Mount
	Limits Limits
	// Network is the name of a network, or none.
	Network string
	// Runtime is the OCI runtime; "" is the engine's default.
	Runtime string
	// Devices are GPUs and the like, for the engine's device drivers.
	Devices []DeviceRequest
	// ReadOnlyRoot makes the image's files read-only.
	ReadOnlyRoot bool
}

// Limits are what the container may use at most.
type Limits struct {
	// NanoCPUs is the CPU quota in billionths of a core; 0 means no limit.
	NanoCPUs int64
	// MemoryBytes is the limit of memory, with no swap beyond it; 0 means no limit.
	MemoryBytes int64
	// ShmBytes is the size of /dev/shm; 0 means the engine's default of 64 MiB.
	ShmBytes int64
	// Pids bounds processes and threads; 0 means no limit.
	Pids int64
	// CgroupParent is the group above the container's, in the words of the engine's cgroup driver.
	CgroupParent string
	Ulimits      []Ulimit
}

// Ulimit is a limit of the container's first process, which its children inherit.
type Ulimit struct {
	// Name is as in ulimit(1)'s long options: nofile, core.
	Name       string
	Soft, Hard int64
}

// MountKind says what a mount's source is.
type MountKind string

// The kinds of mounts.
const (
	// MountBind is a directory or file of the host that exists already.
	MountBind MountKind = "bind"
	// MountVolume is a volume made by [Engine.CreateVolume].
	MountVolume MountKind = "volume"
	// MountTmpfs has no source.
	MountTmpfs MountKind = "tmpfs"
)

// Mount is one mount. Binds go by this, never by the engine's older Binds, which make a missing source as root.
type Mount struct {
	Kind MountKind
	// Source is an absolute path of the host, or a volume's name.
	Source string
	Target string
	// ReadOnly makes the mount itself read-only; what is mounted beneath it only from version 25 of the engine on, so
	// that a source with mounts in it has to be made read-only before.
	ReadOnly bool
	// SizeBytes is a tmpfs' limit; 0 means half of the memory.
	SizeBytes int64
}

// DeviceRequest asks a device driver of the engine for devices.
type DeviceRequest struct {
	// Driver is nvidia, cdi, or "" to choose by the capabilities.
	Driver string
	// Count of devices, if IDs is empty; -1 means all.
	Count int
	IDs   []string
	// Capabilities are sets of which one has to be met, as {{"gpu"}}.
	Capabilities [][]string
}
