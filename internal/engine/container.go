package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// State is the engine's word for how far a container is.
type State string

// The states.
const (
	Created    State = "created"
	Running    State = "running"
	Paused     State = "paused"
	Restarting State = "restarting"
	Removing   State = "removing"
	Exited     State = "exited"
	Dead       State = "dead"
)

// Live reports whether processes of the container may be running.
func (s State) Live() bool { return s == Running || s == Paused || s == Restarting }

// Container is a container as the engine sees it.
type Container struct {
	ID      string
	Name    string
	ImageID string
	Labels  Labels
	State   State
	// PID is that of the first process on the host; 0 if it does not run.
	PID int
	// ExitCode, OOMKilled, Error and Finished are the engine's account of the end: [Judge] says what to believe.
	ExitCode  int
	OOMKilled bool
	// Error is why it could not be started.
	Error    string
	Created  time.Time
	Started  time.Time
	Finished time.Time
	// Limits are as the engine keeps them.
	Limits Limits
}

// Summary is what a list tells of a container.
type Summary struct {
	ID      string
	Name    string
	ImageID string
	Labels  Labels
	State   State
	Created time.Time
}

// Inspect returns the container with that id or name; not_found if there is none.
func (e *Engine) Inspect(ctx context.Context, id string) (Container, error) {
	var c Container
	err := e.call(ctx, inspectTimeout, "inspect container "+quote(id), func(ctx context.Context, api *client.Client) error {
		raw, err := api.ContainerInspect(ctx, id)
		if err != nil {
			return err
		}
		if raw.ContainerJSONBase == nil || raw.State == nil || raw.HostConfig == nil {
			return errs.New(errs.Unavailable, "inspect container %q: the engine's answer is not whole", id)
		}
		c = containerOf(raw)
		return nil
	})
	return c, err
}

func containerOf(raw container.InspectResponse) Container {
	c := Container{
		ID:        raw.ID,
		Name:      strings.TrimPrefix(raw.Name, "/"),
		ImageID:   raw.Image,
		State:     State(raw.State.Status),
		PID:       raw.State.Pid,
		ExitCode:  raw.State.ExitCode,
		OOMKilled: raw.State.OOMKilled,
		Error:     raw.State.Error,
		Created:   parseTime(raw.Created),
		Started:   parseTime(raw.State.StartedAt),
		Finished:  parseTime(raw.State.FinishedAt),
		Limits: Limits{
			NanoCPUs:     raw.HostConfig.NanoCPUs,
			MemoryBytes:  raw.HostConfig.Memory,
			ShmBytes:     raw.HostConfig.ShmSize,
			CgroupParent: raw.HostConfig.CgroupParent,
		},
	}
	if raw.HostConfig.PidsLimit != nil {
		c.Limits.Pids = *raw.HostConfig.PidsLimit
	}
	for _, u := range raw.HostConfig.Ulimits {
		c.Limits.Ulimits = append(c.Limits.Ulimits, Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if raw.Config != nil {
		c.Labels = labelsOf(raw.Config.Labels)
	}
	return c
}

// ListOurs lists the containers that carry the instance's label, in every state, sorted by name. A hostile image can put
// itself on the list: see [Labels.Prove].
func (e *Engine) ListOurs(ctx context.Context, instance string) ([]Summary, error) {
	var out []Summary
	err := e.call(ctx, inspectTimeout, "list containers", func(ctx context.Context, api *client.Client) error {
		list, err := api.ContainerList(ctx, container.ListOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("label", labelInstance+"="+instance)),
		})
		if err != nil {
			return err
		}
		out = make([]Summary, 0, len(list))
		for _, c := range list {
			out = append(out, summaryOf(c))
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Summary) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

func summaryOf(c container.Summary) Summary {
	s := Summary{
		ID: c.ID, ImageID: c.ImageID, Labels: labelsOf(c.Labels), State: State(c.State), Created: unixTime(c.Created),
	}
	// A linked container has further names, with a slash inside.
	for _, name := range c.Names {
		if own := strings.TrimPrefix(name, "/"); !strings.Contains(own, "/") {
			s.Name = own
		}
	}
	return s
}
