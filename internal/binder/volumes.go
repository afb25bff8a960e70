package binder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// volumeEngine is the part of the engine that [Volumes] needs.
type volumeEngine interface {
	// CreateBindVolume makes a volume of the local driver that binds device when a container with it starts.
	CreateBindVolume(ctx context.Context, name, device string, readOnly bool) error
	// RemoveVolume removes one; none is no error.
	RemoveVolume(ctx context.Context, name string) error
	// ListVolumes lists the names that begin with the prefix.
	ListVolumes(ctx context.Context, prefix string) ([]string, error)
}

// Volumes holds sources as volumes of the engine's local driver whose device is a descriptor of this process: the engine
// mounts what the descriptor is, whatever has become of its path. It needs no rights of its own; directories only.
type Volumes struct {
	engine volumeEngine
	prefix string

	// mu guards open: the descriptors must stay open until the container has started.
	mu   sync.Mutex
	open map[string]*os.File
}

var _ Binder = (*Volumes)(nil)

// NewVolumes returns a binder whose volumes are named agentd-INSTANCE-SESSION-INDEX.
func NewVolumes(engine volumeEngine, instance string) *Volumes {
	return &Volumes{engine: engine, prefix: "agentd-" + instance + "-", open: map[string]*os.File{}}
}

// Bind makes the volume and keeps a descriptor of its own of the source.
func (v *Volumes) Bind(ctx context.Context, s Source) (Bound, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.File.Fd()), &st); err != nil {
		return Bound{}, errs.New(errs.Internal, "look at %s: %w", s.File.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return Bound{}, errs.New(errs.Unsupported, "mount %s: an ordinary user's agentd can mount directories only",
			s.File.Name()).WithHint("mount the directory that it lies in")
	}
	if s.ReadOnly {
		if err := refuseMountsBeneath(s.File); err != nil {
			return Bound{}, err
		}
	}
	fd, err := unix.FcntlInt(s.File.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return Bound{}, errs.New(errs.Internal, "keep %s open: %w", s.File.Name(), err)
	}
	name := v.prefix + bindName(s.Session, s.Index)
	v.keep(name, os.NewFile(uintptr(fd), s.File.Name()))
	device := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	err = v.engine.RemoveVolume(ctx, name)
	if err == nil {
		err = v.engine.CreateBindVolume(ctx, name, device, s.ReadOnly)
	}
	if err != nil {
		v.keep(name, nil)
		return Bound{}, err
	}
	return Bound{Volume: name}, nil
}

// refuseMountsBeneath says beforehand what the engine would do without a word: a read-only bind of its leaves out what is
// mounted beneath the source. Whoever changes the mounts meanwhile gets that, and nothing worse.
func refuseMountsBeneath(dir *os.File) error {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
	if err != nil {
		return errs.New(errs.Internal, "look at %s: %w", dir.Name(), err)
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return errs.New(errs.Internal, "read the mounts: %w", err)
	}
	// The kernel escapes these in the table, a backslash among them.
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], strings.TrimSuffix(escaped, "/")+"/") {
			return errs.New(errs.Unsupported, "mount %s read-only: something is mounted at %s, and an ordinary user's agentd "+
				"cannot make that read-only", dir.Name(), fields[4]).
				WithHint("mount it writable, or mount the directories beneath it one by one")
		}
	}
	return nil
}

// keep remembers a descriptor, or closes the one before it if file is nil.
func (v *Volumes) keep(name string, file *os.File) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if old := v.open[name]; old != nil {
		old.Close() //nolint:errcheck // a descriptor that was only held
	}
	delete(v.open, name)
	if file != nil {
		v.open[name] = file
	}
}

// Release removes the volumes of a session and closes their descriptors.
func (v *Volumes) Release(ctx context.Context, session string) error {
	names, err := v.engine.ListVolumes(ctx, v.prefix+session+"-")
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range names {
		failures = append(failures, v.engine.RemoveVolume(ctx, name))
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	// Also those whose volume somebody else has removed.
	for _, name := range v.held(v.prefix + session + "-") {
		v.keep(name, nil)
	}
	return nil
}

// held lists the binds with an open descriptor whose names begin with prefix.
func (v *Volumes) held(prefix string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var names []string
	for name := range v.open {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// Sessions lists the sessions that have volumes.
func (v *Volumes) Sessions(ctx context.Context) ([]string, error) {
	names, err := v.engine.ListVolumes(ctx, v.prefix)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, name := range names {
		if s, ok := sessionOf(strings.TrimPrefix(name, v.prefix)); ok {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
