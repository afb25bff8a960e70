package adapt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"agentd/internal/api"
	"agentd/internal/binder"
	"agentd/internal/cgroup"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/session"
	"agentd/internal/version"
)

// System tells about this agent and its machine.
type System struct {
	// Disks says what takes room.
	*Disks

	Host    *Host
	Machine *Machine
	// Groups is nil on a machine without control groups that could be read.
	Groups *cgroup.Host
	Agent  plan.Agent
	// Runtime is what the canary shows to the engine, by way of the binder.
	Runtime layout.Runtime
	Binder  binder.Binder
	// Programs are those that sessions need, by their paths.
	Programs []string
	// Living lists the living sessions of all users.
	Living func() []session.Record
	// Trouble says why leftovers are not removed; empty if nothing is wrong.
	Trouble func() string
	// Damaged counts the files that were set aside.
	Damaged func() int
	// Socket is the path that agentd listens at; GitSchemes and CAFile are the configuration's.
	Socket     string
	GitSchemes []string
	// GitCacheMax is the configuration's, too: what is kept of one owner's repositories, in bytes.
	GitCacheMax int64
	CAFile      string
}

// Info is what the agent is and has to give.
func (s *System) Info(ctx context.Context, _ identity.Caller) (api.SystemInfo, error) {
	out := api.SystemInfo{
		SchemaVersion: api.SchemaVersion, Version: version.String(), AgentID: s.Agent.ID, ScalingGroup: s.Agent.ScalingGroup,
	}
	living := s.Living()
	out.Sessions = len(living)
	out.Engine.Host = s.Host.Engine.Host()
	info, err := s.Host.Info(ctx)
	if err != nil {
		// What the agent is can be told without its engine.
		out.Engine.Error = err.Error()
		return out, nil //nolint:nilerr // the answer says it
	}
	slots, err := s.Machine.Slots(ctx)
	if err != nil {
		return out, err
	}
	if out.Platforms, err = s.Machine.Platforms(ctx); err != nil {
		return out, err
	}
	out.Engine = api.EngineInfo{
		Host: s.Host.Engine.Host(), Version: info.ServerVersion, APIVersion: info.APIVersion, Rootless: info.Rootless,
		StorageDriver: info.StorageDriver, CgroupDriver: info.CgroupDriver, CgroupVersion: info.CgroupVersion,
	}
	held := map[string]int64{}
	for _, rec := range living {
		if rec.HoldsSlots() {
			for _, a := range plan.Demand(rec.Plan.Limits) {
				held[a.Slot] += a.Amount
			}
		}
	}
	for slot, amount := range slots {
		out.Slots = append(out.Slots, api.Slot{Name: slot, Capacity: amount, Held: held[slot]})
	}
	slices.SortFunc(out.Slots, func(a, b api.Slot) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Doctor looks at what sessions need.
func (s *System) Doctor(ctx context.Context, _ identity.Caller) (api.Doctor, error) {
	d := api.Doctor{SchemaVersion: api.SchemaVersion}
	info, err := s.Host.Engine.Info(ctx)
	d.Findings = append(d.Findings, engineFinding(info, err))
	if err == nil {
		slots, err := s.Machine.Slots(ctx)
		if err != nil {
			return d, err
		}
		d.Findings = append(d.Findings, engineVersion(info), s.canary(ctx), liveRestore(info), gpu(info, slots))
	}
	d.Findings = append(d.Findings, s.socket(), s.permissions(), s.programs(), s.groups(), s.emulators(ctx), s.disk(info),
		s.git(), s.store(), s.leftovers())
	return d, nil
}

func engineFinding(info engine.Info, err error) api.Finding {
	if err != nil {
		f := api.Finding{Check: "engine", Status: api.FindingFail, Detail: err.Error(), Fix: "systemctl start docker"}
		if e := asError(err); e != nil && e.Hint != "" {
			f.Fix = e.Hint
		}
		return f
	}
	return api.Finding{
		Check: "engine", Status: api.FindingOK,
		Detail: fmt.Sprintf("Docker Engine %s (API %s), %s, cgroup v%d by %s",
			info.ServerVersion, info.APIVersion, info.StorageDriver, info.CgroupVersion, info.CgroupDriver),
	}
}

func asError(err error) *errs.Error {
	e, _ := err.(*errs.Error) //nolint:errorlint // the outermost one has the hint
	return e
}

// canarySession is the name of the doctor's bind; no session's id is without digits.
const canarySession = "canary"

// canary shows the engine a directory through a mount of agentd's, and asks whether it sees what is in it: from a mount
// namespace of its own agentd's binds would be empty directories in the containers, and nothing would say so.
func (s *System) canary(ctx context.Context) api.Finding {
	if !s.Host.Root {
		return api.Finding{
			Check: "mounts", Status: api.FindingOK, Detail: "directories are handed to the engine as descriptors of this process",
		}
	}
	sees, err := s.canarySeen(ctx)
	switch {
	case err != nil:
		return api.Finding{Check: "mounts", Status: api.FindingWarn, Detail: err.Error(), Fix: "journalctl -u agentd has more"}
	case !sees:
		return api.Finding{
			Check: "mounts", Status: api.FindingFail, Detail: "the engine does not see what agentd mounts: it has mounts of its own",
			Fix: "take PrivateTmp=, ProtectSystem= and the like out of agentd.service (systemctl cat agentd)",
		}
	}
	return api.Finding{Check: "mounts", Status: api.FindingOK, Detail: "the engine sees what agentd mounts"}
}

func (s *System) canarySeen(ctx context.Context) (sees bool, err error) {
	dir, err := os.Open(string(s.Runtime))
	if err != nil {
		return false, err //nolint:wrapcheck // it names the directory
	}
	defer dir.Close() //nolint:errcheck // it was only looked into
	bound, err := s.Binder.Bind(ctx, binder.Source{Session: canarySession, File: dir, ReadOnly: true})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.Binder.Release(ctx, canarySession)) }()
	// This path is there only in the mount.
	return s.Host.Engine.CanSee(ctx, filepath.Join(bound.Path, filepath.Base(s.Runtime.Mounts())))
}

func liveRestore(info engine.Info) api.Finding {
	// Podman's containers are nobody's children.
	if info.LiveRestore || info.Podman {
		return api.Finding{Check: "live-restore", Status: api.FindingOK, Detail: "sessions outlive a restart of the engine"}
	}
	return api.Finding{
		Check: "live-restore", Status: api.FindingWarn, Detail: "a restart of the engine ends all sessions",
		Fix: `put "live-restore": true into /etc/docker/daemon.json, then: systemctl reload docker`,
	}
}

func (s *System) programs() api.Finding {
	var missing []string
	for _, path := range s.Programs {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, path)
		}
	}
	if len(missing) > 0 {
		return api.Finding{
			Check: "programs", Status: api.FindingFail, Detail: "missing: " + strings.Join(missing, ", "),
			Fix: "install agentd whole: make install",
		}
	}
	return api.Finding{
		Check: "programs", Status: api.FindingOK, Detail: "what runs in sessions is in " + filepath.Dir(s.Programs[0]),
	}
}

func (s *System) groups() api.Finding {
	if s.Groups == nil {
		return api.Finding{
			Check: "cgroups", Status: api.FindingWarn, Detail: "limits are applied by the engine, and cannot be verified here",
			Fix: "mount the control groups: mount -t cgroup2 none /sys/fs/cgroup",
		}
	}
	return api.Finding{
		Check: "cgroups", Status: api.FindingOK, Detail: fmt.Sprintf("version %d; limits are verified", s.Groups.Version()),
	}
}

func (s *System) emulators(ctx context.Context) api.Finding {
	platforms, err := s.Machine.Platforms(ctx)
	if err != nil || len(platforms) < 2 {
		return api.Finding{
			Check: "emulators", Status: api.FindingOK, Detail: "only this machine's own architecture runs",
			Fix: "for others: apt-get install qemu-user-static binfmt-support",
		}
	}
	return api.Finding{Check: "emulators", Status: api.FindingOK, Detail: "also runs " + strings.Join(platforms[1:], ", ")}
}

func (s *System) store() api.Finding {
	if n := s.Damaged(); n > 0 {
		return api.Finding{
			Check: "store", Status: api.FindingWarn, Detail: fmt.Sprintf("%d damaged files were set aside", n),
			Fix: "read the .reason files in " + s.Host.State.Quarantine(),
		}
	}
	return api.Finding{Check: "store", Status: api.FindingOK, Detail: "no damaged files"}
}

func (s *System) leftovers() api.Finding {
	if why := s.Trouble(); why != "" {
		return api.Finding{
			Check: "leftovers", Status: api.FindingFail, Detail: why,
			Fix: "was the state directory restored from a backup? Look at them, and remove what nobody needs: " +
				"docker ps -a --filter label=io.agentd.instance=" + s.Host.Instance,
		}
	}
	return api.Finding{Check: "leftovers", Status: api.FindingOK, Detail: "what belongs to no session is removed"}
}

// EngineProbe says for the health whether the engine answers.
type EngineProbe struct {
	Host *Host
	// Leftovers is nil if what belongs to no session can be removed.
	Leftovers func(context.Context) error
}

// Probe asks the engine, and whether what is on it can be told apart.
func (p EngineProbe) Probe(ctx context.Context) error {
	if err := p.Host.Engine.Ping(ctx); err != nil {
		return err
	}
	return p.Leftovers(ctx)
}
