package adapt

import (
	"context"
	"strconv"
	"sync"

	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/job"
	"agentd/internal/launch"
	"agentd/internal/layout"
	"agentd/internal/plan"
)

// Containers is the engine as launches see it.
type Containers struct {
	Host   *Host
	Images *Images
	// Network is the bridge of isolated sessions.
	Network string

	// networkMu is held while the bridge is looked for and made: the engine makes a second one of the same name without
	// a word, and after that starts no container on either.
	networkMu sync.Mutex
	// networkThere is true once it was seen. Who removes it meanwhile is noticed when a container cannot be started.
	networkThere bool
}

// Create makes the container. If its name is taken, by an earlier try whose answer was lost, that container is it.
func (c *Containers) Create(ctx context.Context, want launch.Container) (string, error) {
	spec, err := c.spec(ctx, want)
	if err != nil {
		return "", err
	}
	if want.Network != engine.NetworkNone {
		if err := c.ensureNetwork(ctx, false); err != nil {
			return "", err
		}
	}
	id, err := c.Host.Engine.Create(ctx, spec)
	if !errs.Is(err, errs.Conflict) {
		return id, err
	}
	there, inspectErr := c.Host.Engine.Inspect(ctx, want.Name)
	if inspectErr != nil || !spec.Labels.Prove(want.Name, there.Labels) {
		return "", errs.New(errs.Conflict, "the container name %s is taken by one that is not agentd's", want.Name).
			WithHint("docker rm %s, if it is yours", want.Name)
	}
	return there.ID, nil
}

// ensureNetwork makes the network unless it is there; again says not to trust that it was.
func (c *Containers) ensureNetwork(ctx context.Context, again bool) error {
	c.networkMu.Lock()
	defer c.networkMu.Unlock()
	if c.networkThere && !again {
		return nil
	}
	err := c.Host.Engine.EnsureNetwork(ctx, c.Network, c.Host.Instance)
	c.networkThere = err == nil
	return err
}

func (c *Containers) labels(name, nonce, owner string) engine.Labels {
	id, _ := layout.ParseContainer(name)
	return engine.Labels{Instance: c.Host.Instance, Session: id, Nonce: nonce, Owner: owner}
}

func (c *Containers) spec(ctx context.Context, want launch.Container) (engine.Spec, error) {
	image, err := c.Images.byID(ctx, want.ImageID)
	if err != nil {
		return engine.Spec{}, err
	}
	s := engine.Spec{
		Name: want.Name, Image: image, Hostname: want.Hostname, Entrypoint: []string{job.InitPath},
		Labels: c.labels(want.Name, want.Nonce, want.Owner),
		User:   user(want.User), Capabilities: want.User.Capabilities,
		Env: []string{
			job.EnvSession + "=" + want.Hostname, job.EnvNonce + "=" + want.Nonce,
		},
		Limits: engine.Limits{
			NanoCPUs: want.Limits.NanoCPUs, MemoryBytes: want.Limits.MemoryBytes, ShmBytes: want.Limits.ShmBytes,
			Pids: want.Limits.Pids, CgroupParent: want.Parent,
		},
		Network: c.Network,
	}
	if want.Network == engine.NetworkNone {
		s.Network = engine.NetworkNone
	}
	for _, g := range want.User.Groups {
		s.Groups = append(s.Groups, strconv.FormatUint(uint64(g), 10))
	}
	for _, m := range want.Mounts {
		kind, source := engine.MountBind, m.Path
		if m.Volume != "" {
			kind, source = engine.MountVolume, m.Volume
		}
		s.Mounts = append(s.Mounts, engine.Mount{Kind: kind, Source: source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	s.Devices = devices(want.Limits.Devices)
	return s, nil
}

// devices turns slots into requests for the engine's device drivers.
func devices(list []plan.Device) []engine.DeviceRequest {
	var out []engine.DeviceRequest
	for _, d := range list {
		out = append(out, engine.DeviceRequest{Count: int(d.Count), Capabilities: [][]string{{"gpu"}}})
	}
	return out
}

func user(u plan.User) string {
	return strconv.FormatUint(uint64(u.UID), 10) + ":" + strconv.FormatUint(uint64(u.GID), 10)
}

// Start starts the container and returns the pid of its first process on the host; 0 if that has ended already.
func (c *Containers) Start(ctx context.Context, id string) (int, error) {
	err := c.Host.Engine.Start(ctx, id)
	if errs.Is(err, errs.NotFound) {
		// The network was removed since it was seen, or the container was: then it is said again.
		if err = c.ensureNetwork(ctx, true); err == nil {
			err = c.Host.Engine.Start(ctx, id)
		}
	}
	if err != nil {
		return 0, err
	}
	there, err := c.Host.Engine.Inspect(ctx, id)
	return there.PID, err
}

// Remove removes the container of that name if its labels prove that it is this session's.
func (c *Containers) Remove(ctx context.Context, name, nonce string) error {
	there, err := c.Host.Engine.Inspect(ctx, name)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !c.labels(name, nonce, there.Labels.Owner).Prove(name, there.Labels) {
		return nil
	}
	return c.Host.Engine.Remove(ctx, there.ID)
}
