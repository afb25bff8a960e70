package adapt

import (
	"cmp"
	"context"
	"sync"
	"time"

	"agentd/internal/engine"
	"agentd/internal/launch"
	"agentd/internal/plan"
)

// Images brings images, and looks into each once.
type Images struct {
	Host *Host
	// Probe is the program that looks into an image, on the host.
	Probe string
	// Stall and Timeout bound a pull.
	Stall, Timeout time.Duration

	// Access says who may use an image that is here already.
	Access *Access

	// mu guards what follows. A look is kept for the life of agentd: an image id never changes its meaning.
	mu     sync.Mutex
	looks  map[string]*look
	images map[string]engine.Image

	// restoring is held while what a killed agentd left of its pulls is put right; restored is true once it is.
	restoring sync.Mutex
	restored  bool
}

// restore puts tags back that a pull for another platform had moved when agentd was killed: once, before the first pull.
func (i *Images) restore(ctx context.Context) error {
	i.restoring.Lock()
	defer i.restoring.Unlock()
	if i.restored {
		return nil
	}
	err := i.Host.Engine.RestoreTags(ctx)
	i.restored = err == nil
	return err
}

// look is one look into an image, which all who wait for it share.
type look struct {
	done  chan struct{}
	found engine.Probe
	err   error
}

// Ensure pulls the image if it has to be, or if its owner has not yet shown that a registry gives it to him, and looks
// into it.
func (i *Images) Ensure(
	ctx context.Context, owner uint32, image plan.Image, s launch.Secrets, tell func(launch.Progress),
) (launch.Image, error) {
	req := engine.PullRequest{
		Reference: image.Reference, Platform: image.Platform, Policy: image.PullPolicy, Stall: i.Stall, Timeout: i.Timeout,
	}
	if s.RegistryUsername != "" || s.RegistryIdentityToken != "" {
		req.Auth = &engine.Auth{
			Username: s.RegistryUsername, Password: s.RegistryPassword, IdentityToken: s.RegistryIdentityToken,
		}
	}
	if err := i.restore(ctx); err != nil {
		return launch.Image{}, err
	}
	got, err := i.allowed(ctx, owner, image, req, func(p engine.PullProgress) {
		tell(launch.Progress{Done: p.Bytes, Total: p.TotalBytes, Unit: "bytes", Text: p.Status})
	})
	if err != nil {
		return launch.Image{}, err
	}
	found, err := i.look(ctx, got)
	if err != nil {
		return launch.Image{}, err
	}
	return launch.Image{
		ID: got.ID, Digest: got.RepoDigest, Env: got.Config.Env, Entrypoint: got.Config.Entrypoint, Cmd: got.Config.Cmd,
		Volumes: got.Config.Volumes, Passwd: found.Passwd, Group: found.Group, ShellError: shellError(found.Shell),
		Leads: found.Leads,
	}, nil
}

// shellError says why a shell does not run; empty if it does.
func shellError(p engine.Program) string {
	switch {
	case p.Runs:
		return ""
	case !p.Present:
		return "it has no /bin/sh"
	case p.Errno == "ENOEXEC":
		return "its /bin/sh is for another machine (exec format error)"
	}
	return "its /bin/sh does not run: " + cmp.Or(p.Error, p.Errno)
}

// look is shared by all launches of an image; one that failed is tried again by the next.
func (i *Images) look(ctx context.Context, image engine.Image) (engine.Probe, error) {
	i.mu.Lock()
	if i.looks == nil {
		i.looks, i.images = map[string]*look{}, map[string]engine.Image{}
	}
	i.images[image.ID] = image
	l, ok := i.looks[image.ID]
	if !ok {
		l = &look{done: make(chan struct{})}
		i.looks[image.ID] = l
		// It goes on for the others if this launch is cancelled.
		go i.lookNow(context.WithoutCancel(ctx), image, l)
	}
	i.mu.Unlock()
	select {
	case <-l.done:
		return l.found, l.err
	case <-ctx.Done():
		return engine.Probe{}, context.Cause(ctx)
	}
}

// probe looks into an image. The container's name stands where a session's id would, so that its nonce proves it ours.
func (i *Images) probe(ctx context.Context, image engine.Image) (engine.Probe, error) {
	name := engine.ProbeName()
	i.Host.probing.Store(name, true)
	defer i.Host.probing.Delete(name)
	return i.Host.Engine.Probe(ctx, image, i.Probe, name, engine.Labels{
		Instance: i.Host.Instance, Nonce: i.Host.Nonce(name),
	})
}

func (i *Images) lookNow(ctx context.Context, image engine.Image, l *look) {
	l.found, l.err = i.probe(ctx, image)
	if l.err != nil {
		i.mu.Lock()
		delete(i.looks, image.ID)
		i.mu.Unlock()
	}
	close(l.done)
}

// byID returns an image that was brought before.
func (i *Images) byID(ctx context.Context, id string) (engine.Image, error) {
	i.mu.Lock()
	image, ok := i.images[id]
	i.mu.Unlock()
	if ok {
		return image, nil
	}
	return i.Host.Engine.Image(ctx, id)
}
