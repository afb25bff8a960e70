package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"agentd/internal/errs"
)

// Volume is a volume that carries an instance's label.
type Volume struct {
	Name   string
	Labels Labels
}

// CreateVolume makes a volume of the engine's local driver that is a bind of device, a directory of the host which the
// engine opens when a container starts: with /proc/PID/fd/N it is the very directory that PID has open, whatever became of
// its path since. It is how an agentd that is not root hands over a directory. What is mounted beneath device comes along
// where it is writable; the engine could not make that read-only, so that a read-only volume is without.
func (e *Engine) CreateVolume(ctx context.Context, name, device string, readOnly bool, labels Labels) error {
	// Private: the engine unmounts lazily, and from a shared mount that would take the host's own mounts beneath device
	// along. nosuid and nodev would do nothing here: the kernel does not heed them in a bind.
	options := "rbind,rprivate"
	if readOnly {
		options = "bind,ro,rprivate"
	}
	return e.call(ctx, createTimeout, "create volume "+quote(name), func(ctx context.Context, api *client.Client) error {
		made, err := api.VolumeCreate(ctx, volume.CreateOptions{
			Name: name, Driver: "local", Labels: labels.labelMap(),
			DriverOpts: map[string]string{"type": "none", "device": device, "o": options},
		})
		if err != nil {
			return err
		}
		// The engine is content with a volume of that name that exists, whatever it is.
		if made.Options["device"] != device || made.Options["o"] != options || labelsOf(made.Labels) != labels {
			return errs.New(errs.Conflict, "create volume %q: there is another one of this name", name).
				WithHint("see what it is: docker volume inspect %s", name)
		}
		return nil
	})
}

// RemoveVolume removes the volume; it is nil if there is none. The code is conflict if a container has it.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	err := e.call(ctx, createTimeout, "remove volume "+quote(name), func(ctx context.Context, api *client.Client) error {
		return api.VolumeRemove(ctx, name, false)
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// ListVolumes lists the volumes with the instance's label, sorted by name: those of [Engine.CreateVolume] and the
// anonymous ones of images. An image cannot label volumes.
func (e *Engine) ListVolumes(ctx context.Context, instance string) ([]Volume, error) {
	var out []Volume
	err := e.call(ctx, inspectTimeout, "list volumes", func(ctx context.Context, api *client.Client) error {
		list, err := api.VolumeList(ctx, volume.ListOptions{
			Filters: filters.NewArgs(filters.Arg("label", labelInstance+"="+instance)),
		})
		for _, v := range list.Volumes {
			out = append(out, Volume{Name: v.Name, Labels: labelsOf(v.Labels)})
		}
		return err
	})
	slices.SortFunc(out, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}
