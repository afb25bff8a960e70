package daemon

import (
	"cmp"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"agentd/agentd/daemon/adapt"
	"agentd/internal/binder"
	"agentd/internal/cgroup"
	"agentd/internal/config"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/helper"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
	"agentd/internal/planner"
	"agentd/internal/server"
	"agentd/internal/session"
	"agentd/internal/store"
	"agentd/internal/supervisor"
	"agentd/internal/vfolder"
	"agentd/internal/witness"

	"agentd/internal/catalog"
)

// sessions are the parts that turn templates into sessions.
type sessions struct {
	host       *adapt.Host
	inits      *adapt.Inits
	machine    *adapt.Machine
	groups     *cgroup.Host
	folders    *vfolder.Folders
	planner    *planner.Planner
	supervisor *supervisor.Supervisor
	agent      plan.Agent
	runtime    layout.Runtime
	binder     binder.Binder
	quotas     *quotas
}

// newSessions joins them. It talks to nobody: the engine may be down.
func (d *daemon) newSessions(st *store.Store, templates *catalog.Catalog) (*sessions, error) {
	cfg := d.cfg
	e, err := engine.Connect(cmp.Or(cfg.Engine.Host, d.stdio.Getenv("DOCKER_HOST")))
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the host and the step
	}
	s := &sessions{
		agent:   plan.Agent{ID: cfg.Agent.ID, ScalingGroup: cfg.Agent.ScalingGroup},
		runtime: layout.Runtime(cfg.RuntimeDir),
	}
	s.host = &adapt.Host{
		Engine: e, Instance: st.InstanceID(), State: layout.State(cfg.StateDir), Root: d.stdio.UID == 0,
		Nonce:  st.Nonce,
		Helper: helper.Starter{Env: helperEnv(d.stdio.Getenv), Limits: helper.Limits{OpenFiles: helperFiles}},
	}
	s.host.Files = s.host.Helper
	if s.host.Files.Program, err = helper.Pin(program(layout.HelperProgram)); err != nil {
		// agentd itself can do the same, only not as quickly.
		d.log.Debug("launches begin later than they could", "error", err)
	}
	s.quotas = newQuotas(cfg.Quotas)
	s.inits = &adapt.Inits{Host: s.host}
	s.machine = &adapt.Machine{
		Host: s.host, ReserveCPU: cfg.Resources.Reserve.CPU, ReserveMem: cfg.Resources.Reserve.Mem,
	}
	if s.groups, err = cgroup.Open(); err != nil {
		d.log.Warn("limits cannot be verified on this machine", "error", err)
	}
	hands := adapt.Hands{Host: s.host}
	s.folders = vfolder.New(s.host.State, hands, time.Now, hands.Prepare)
	fixed, err := fixedUser(cfg.Sessions.User)
	if err != nil {
		return nil, err
	}
	s.planner = planner.New(planner.Options{
		Templates: templates, Folders: adapt.Folders{Folders: s.folders, Most: s.quotas.folderBytes}, Machine: s.machine,
		Agent:  s.agent,
		Policy: policy(cfg), Fixed: fixed,
	})
	ports, containers := d.ports(s)
	s.supervisor = supervisor.New(supervisor.Options{
		Records: st.Sessions(), Resolver: s.planner, Ports: ports, Capacity: s.machine.Slots, Quota: s.quotas.sessions,
		Engine: containers, Nonce: st.Nonce, BootID: adapt.BootID(),
		Files: st.Sessions(), KeepRecords: cfg.Sessions.KeepRecords,
		Inventories: s.inventories(st, cfg.Resources.Group), Grace: cfg.Sessions.LeftoverGrace,
		Watcher: witness.New(&adapt.Endings{Host: s.host, Groups: s.groups}, s.directory),
		Places:  s.places, InitPath: program(layout.InitProgram), Log: d.log,
	})
	return s, nil
}

// helperFiles bounds the descriptors of a helper's child.
const helperFiles = 1024

// helperEnv is all that a child gets of agentd's environment: where programs are, and how the network is reached.
func helperEnv(getenv func(string) string) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	for _, name := range []string{
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
	} {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (s *sessions) directory(rec session.Record) layout.Session {
	return s.host.State.User(rec.Owner).Session(rec.ID)
}

func (s *sessions) places(owner uint32, id string) launch.Directories {
	user := s.host.State.User(owner)
	return launch.Directories{Session: user.Session(id), Scratch: user.Scratch(id), Checkout: user.Checkout(id)}
}

// ports joins the launch's steps with the adapters.
func (d *daemon) ports(s *sessions) (launch.Ports, *adapt.Containers) {
	cfg := d.cfg
	images := &adapt.Images{
		Host: s.host,
		Access: &adapt.Access{
			State: s.host.State, Rule: cfg.Engine.LocalImages, Closed: cfg.Engine.PullPolicy == engine.PullNever, Log: d.log,
		},
		Probe: program(layout.ProbeProgram), Stall: cfg.Engine.StallTimeout, Timeout: cfg.Engine.PullTimeout,
	}
	s.binder = binder.NewVolumes(adapt.Volumes{Host: s.host}, s.host.Instance)
	if s.host.Root {
		s.binder = binder.NewMounts(s.runtime.Mounts())
	}
	containers := &adapt.Containers{Host: s.host, Images: images, Network: "agentd-" + s.host.Instance[:8]}
	return launch.Ports{
		Images: images,
		Clones: &adapt.Clones{
			Host: s.host, Schemes: cfg.Git.Schemes, InsteadOf: cfg.Git.InsteadOf, Timeout: cfg.Git.Timeout,
			MemoryBytes: int64(cfg.Git.Memory), CAFile: cfg.Git.CAFile, CacheMax: int64(cfg.Git.CacheMax),
		},
		Scratches:  &adapt.Scratches{Host: s.host},
		Binds:      &adapt.Binds{Host: s.host, Binder: s.binder},
		Containers: containers,
		Limits: &adapt.Limits{
			Host: s.host, Groups: s.groups, Machine: s.machine, Above: cfg.Resources.Group, Log: d.log,
		},
	}, containers
}

// inventories are all that sessions have outside of their records. Directories come last: what is mounted in one is let
// go of before.
func (s *sessions) inventories(st *store.Store, group string) []supervisor.Inventory {
	word := "volume"
	if s.host.Root {
		word = "mount"
	}
	directories := adapt.StrayDirectories{Sessions: st.Sessions()}
	return []supervisor.Inventory{
		&adapt.StrayContainers{Host: s.host, Damaged: directories.Damaged},
		adapt.StrayBinds{Binder: s.binder, Word: word},
		&adapt.StrayGroups{Host: s.host, Groups: s.groups, Above: group},
		directories,
	}
}

// close lets go of the sessions, which go on without us.
func (s *sessions) close() error {
	s.supervisor.Close()
	if c, ok := s.binder.(io.Closer); ok {
		return c.Close() //nolint:wrapcheck // it names the directory and the step
	}
	return nil
}

// program is where a program of agentd's lies; the first place if it is nowhere, so that the error names it.
func program(name string) string {
	executable, err := os.Executable()
	if err != nil {
		executable = "agentd"
	}
	places := layout.FindProgram(executable, name)
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return places[0]
}

// policy is the configuration as plans see it.
func policy(c config.Config) plan.Policy {
	p := plan.Policy{
		PullPolicy: c.Engine.PullPolicy, Network: c.Sessions.Network, BootstrapTimeout: c.Sessions.BootstrapTimeout,
		StopGrace: c.Sessions.StopGrace, KeepFiles: c.Sessions.KeepFiles, LogMaxBytes: int64(c.Sessions.LogMax),
		Pids: int64(c.Sessions.PIDs), DefaultCPU: c.Sessions.Defaults.CPU, DefaultMemory: c.Sessions.Defaults.Mem,
		HostPaths: map[string]plan.HostPath{}, Allow: c.HostPaths.Allow, GitSchemes: c.Git.Schemes,
		InsteadOf: c.Git.InsteadOf,
	}
	for name, path := range c.HostPaths.Named {
		p.HostPaths[name] = plan.HostPath{Path: path.Path, ReadOnly: path.ReadOnly}
	}
	return p
}

// fixedUser reads sessions.user; nil means the caller.
func fixedUser(text string) (*plan.User, error) {
	if text == "caller" {
		return nil, nil //nolint:nilnil // nobody is fixed
	}
	u, g, both := strings.Cut(text, ":")
	if !both {
		g = u
	}
	uid, err := strconv.ParseUint(u, 10, 32)
	if err != nil {
		return nil, errs.New(errs.Invalid, "sessions.user: %q is no uid", u)
	}
	gid, err := strconv.ParseUint(g, 10, 32)
	if err != nil {
		return nil, errs.New(errs.Invalid, "sessions.user: %q is no gid", g)
	}
	if uid == 0 || gid == 0 {
		return nil, errs.New(errs.Invalid, "sessions.user: %s would give everybody's sessions root's rights", text).
			WithHint("use caller, or the UID:GID of a user who is nobody else here")
	}
	return &plan.User{UID: uint32(uid), GID: uint32(gid)}, nil
}

// routes are what the server offers of sessions.
func (s *sessions) routes(templates *catalog.Catalog) *server.Sessions {
	requests := adapt.Requests{Supervisor: s.supervisor, Resolver: s.planner}
	return &server.Sessions{
		Launcher: requests, Planner: requests, Finder: s.supervisor, Ender: s.supervisor, Renamer: s.supervisor,
		Restarter: s.supervisor,
		Saver:     adapt.Saver{Supervisor: s.supervisor, Catalog: templates}, Usage: adapt.Usage{Groups: s.groups},
		Events: s.supervisor, Queue: s.supervisor,
		Init: s.inits, Copier: s.inits, Logs: s.inits.Open,
		Files: func(rec session.Record) (string, *time.Time) {
			scratch := s.host.State.User(rec.Owner).Scratch(rec.ID)
			if rec.Ended == nil {
				return scratch, nil
			}
			until := rec.Ended.Add(rec.Plan.Keep)
			return scratch, &until
		},
	}
}

// system is what the server tells of this machine.
func (s *sessions) system(st *store.Store, cfg config.Config) *adapt.System {
	return &adapt.System{
		Disks: &adapt.Disks{
			Host: s.host, Folders: s.folders,
			Sessions: func(c identity.Caller) []session.Record { return s.supervisor.List(c, false, true) },
		},
		Host: s.host, Machine: s.machine, Groups: s.groups, Agent: s.agent, Runtime: s.runtime, Binder: s.binder,
		Programs: []string{program(layout.InitProgram), program(layout.ProbeProgram)},
		Living:   func() []session.Record { return s.supervisor.List(identity.Caller{Admin: true}, true, false) },
		Trouble:  s.supervisor.Trouble,
		Damaged:  func() int { return len(st.Damaged()) },
		Socket:   cfg.Socket.Path, GitSchemes: cfg.Git.Schemes, CAFile: cfg.Git.CAFile,
		GitCacheMax: int64(cfg.Git.CacheMax),
	}
}
