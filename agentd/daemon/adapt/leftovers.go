package adapt

import (
	"context"
	"time"

	"agentd/internal/binder"
	"agentd/internal/cgroup"
	"agentd/internal/engine"
	"agentd/internal/errs"
	"agentd/internal/layout"
	"agentd/internal/session"
	"agentd/internal/store"
	"agentd/internal/supervisor"
)

// Look finds the container of a session by its name, and by the nonce of its record.
func (c *Containers) Look(ctx context.Context, rec session.Record) (supervisor.Sight, error) {
	name := layout.ContainerName(rec.ID)
	there, err := c.Host.Engine.Inspect(ctx, name)
	if err != nil {
		return supervisor.Sight{}, err
	}
	if !c.labels(name, rec.Nonce, there.Labels.Owner).Prove(name, there.Labels) {
		return supervisor.Sight{}, errs.New(errs.NotFound, "container %s is not session %s's", name, rec.ID)
	}
	return supervisor.Sight{ID: there.ID, Begun: !there.Started.IsZero(), PID: there.PID}, nil
}

// Ping returns nil if the engine answers.
func (c *Containers) Ping(ctx context.Context) error { return c.Host.Engine.Ping(ctx) }

// SilentSince reports whether the engine left a question unanswered after t.
func (c *Containers) SilentSince(t time.Time) bool { return c.Host.Engine.SilentSince(t) }

// StrayContainers lists the containers with this agentd's label.
type StrayContainers struct {
	Host *Host
	// Damaged reports whether there was a session of that id whose record could not be read: what is its stays.
	Damaged func() (map[string]bool, error)
}

// Kind names one.
func (s *StrayContainers) Kind() string { return "container" }

// List lists them in every state. The label alone proves nothing, as an image can carry it.
func (s *StrayContainers) List(ctx context.Context) ([]supervisor.Belonging, error) {
	damaged, err := s.Damaged()
	if err != nil {
		return nil, err
	}
	list, err := s.Host.Engine.ListOurs(ctx, s.Host.Instance)
	if err != nil {
		return nil, err
	}
	var out []supervisor.Belonging
	for _, c := range list {
		if _, busy := s.Host.probing.Load(c.Name); busy || damaged[c.Labels.Session] {
			continue
		}
		b := supervisor.Belonging{Name: c.Name, Session: c.Labels.Session, Nonce: c.Labels.Nonce}
		if engine.IsProbe(c.Name) && b.Session == "" {
			b.Ours = b.Nonce == s.Host.Nonce(c.Name)
		} else {
			own := engine.Labels{Instance: s.Host.Instance, Session: b.Session, Nonce: s.Host.Nonce(b.Session)}
			b.Ours = own.Prove(c.Name, c.Labels)
		}
		out = append(out, b)
	}
	return out, nil
}

// Remove removes one, running or not, if it is still the one that was listed.
func (s *StrayContainers) Remove(ctx context.Context, b supervisor.Belonging) error {
	there, err := s.Host.Engine.Inspect(ctx, b.Name)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if there.Labels.Instance != s.Host.Instance || there.Labels.Nonce != b.Nonce || there.Labels.Session != b.Session {
		return errs.New(errs.Conflict, "container %s is another one now", b.Name)
	}
	return s.Host.Engine.Remove(ctx, there.ID)
}

// StrayBinds lists what the binder holds, mounts or volumes. Where they are, or a label that no image can set, proves them
// ours.
type StrayBinds struct {
	Binder binder.Binder
	Word   string
}

// Kind names one.
func (s StrayBinds) Kind() string { return s.Word }

// List lists the sessions that have any.
func (s StrayBinds) List(ctx context.Context) ([]supervisor.Belonging, error) {
	ids, err := s.Binder.Sessions(ctx)
	out := make([]supervisor.Belonging, 0, len(ids))
	for _, id := range ids {
		out = append(out, supervisor.Belonging{Name: id, Session: id, Ours: true})
	}
	return out, err
}

// Remove lets go of all that a session has.
func (s StrayBinds) Remove(ctx context.Context, b supervisor.Belonging) error {
	return s.Binder.Release(ctx, b.Session)
}

// StrayDirectories lists the directories of sessions in the state directory, where nobody else makes any.
type StrayDirectories struct {
	Sessions *store.Sessions
}

// Kind names one.
func (s StrayDirectories) Kind() string { return "directory" }

// List lists them.
func (s StrayDirectories) List(context.Context) ([]supervisor.Belonging, error) {
	list, err := s.Sessions.Directories()
	var out []supervisor.Belonging
	for _, d := range list {
		if !d.Damaged {
			out = append(out, supervisor.Belonging{Name: d.Path, Session: d.ID, Ours: true, Kept: true})
		}
	}
	return out, err
}

// Remove removes one.
func (s StrayDirectories) Remove(ctx context.Context, b supervisor.Belonging) error {
	return s.Sessions.RemoveDirectory(ctx, b.Name)
}

// Damaged lists the sessions whose records could not be read.
func (s StrayDirectories) Damaged() (map[string]bool, error) {
	list, err := s.Sessions.Directories()
	damaged := map[string]bool{}
	for _, d := range list {
		if d.Damaged {
			damaged[d.ID] = true
		}
	}
	return damaged, err
}

// StrayGroups lists the control groups beneath the parent of all sessions that no process is in: what an engine that was
// killed has left. An empty one is nobody's once the engine knows no container of its name.
type StrayGroups struct {
	Host *Host
	// Groups is nil on a machine without control groups that could be read.
	Groups *cgroup.Host
	// Above is the name of the group above all sessions.
	Above string
}

// Kind names one.
func (s *StrayGroups) Kind() string { return "control group" }

// List lists those of containers that the engine does not know.
func (s *StrayGroups) List(ctx context.Context) ([]supervisor.Belonging, error) {
	if s.Groups == nil || !s.Host.Root {
		return nil, nil
	}
	info, err := s.Host.Info(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.Groups.EmptyChildren(cgroup.Parent(info.CgroupDriver, s.Above))
	if err != nil {
		return nil, err
	}
	var out []supervisor.Belonging
	for _, name := range names {
		_, err := s.Host.Engine.Inspect(ctx, name)
		switch {
		case errs.Is(err, errs.NotFound):
			// No session's, as far as it can be told: the record has the container's id, and that container is gone.
			out = append(out, supervisor.Belonging{Name: name, Ours: true})
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}

// Remove removes one that is still empty.
func (s *StrayGroups) Remove(ctx context.Context, b supervisor.Belonging) error {
	info, err := s.Host.Info(ctx)
	if err != nil {
		return err
	}
	return s.Groups.RemoveChild(cgroup.Parent(info.CgroupDriver, s.Above), b.Name)
}
