package launch

import (
	"context"

	"agentd/internal/plan"
	"agentd/internal/session"
)

// Ports are what the steps need of the world; package daemon joins them with the adapters.
type Ports struct {
	Images     images
	Clones     clones
	Scratches  scratches
	Binds      binds
	Containers containers
	Limits     limits
}

// Image is what the agent knows of an image once it is here.
type Image struct {
	ID, Digest      string
	Env             []string
	Entrypoint, Cmd []string
	// Volumes are the paths that the image wants volumes at; they are left without.
	Volumes []string
	// Passwd and Group are the image's own files; nil if it has none.
	Passwd, Group []byte
	// Leads has the places of ours that are links in the image, and where those lead; "" if nowhere.
	Leads map[string]string
	// ShellError says why /bin/sh cannot run here; empty if it can.
	ShellError string
}

// images brings images to this machine, for an owner who may have them. Concurrent calls for one image share one pull.
type images interface {
	Ensure(ctx context.Context, owner uint32, image plan.Image, login Secrets, tell func(Progress)) (Image, error)
}

// Clone is what was checked out.
type Clone struct {
	Commit   string
	Warnings []string
	// Origin says how the objects came, and Copied how they got from the owner's cache into the clone.
	Origin, Copied string
}

// clones checks repositories out, as the caller.
type clones interface {
	// Clone writes the work tree to the path rel beneath the directory dir, which is the caller's own; what it fetches
	// for the owner is fetched once.
	Clone(
		ctx context.Context, owner uint32, as plan.User, home string, c plan.Checkout, dir, rel string, s Secrets,
		tell func(Progress),
	) (Clone, error)
}

// scratches makes what the session owns on the host, as the caller.
type scratches interface {
	// Make makes the session's directories with their owners; it is safe twice.
	Make(ctx context.Context, rec session.Record) error
	// Etc writes the session's passwd and group.
	Etc(ctx context.Context, rec session.Record, passwd, group []byte) error
	// Hand writes a file of mode 0400 for agentd-init into the session's run directory, the session user's.
	Hand(ctx context.Context, rec session.Record, name string, data []byte) error
	// Clear removes what does not outlive the session: job, socket, passwd and group.
	Clear(ctx context.Context, rec session.Record) error
}

// Target is a mountpoint beneath the scratch.
type Target struct {
	Rel string
	// File makes an empty file instead of a directory, as the source is one.
	File bool
}

// Bind is a source that was opened as the caller and cannot be exchanged any more.
type Bind struct {
	// Volume is the engine's volume, or Path the host path, that stands for the source.
	Volume, Path string
	// File is true if the source is a regular file.
	File bool
}

// binds holds the sources of a session's mounts.
type binds interface {
	// Bind opens the source of each mount of the plan and holds it, and then makes the mountpoints, which [Targets]
	// lists, in the scratch, without following links: all of it as the caller, in one child that is he.
	Bind(ctx context.Context, rec session.Record) ([]Bind, error)
	// Release lets go of all that a session has; it is safe twice and from the record alone.
	Release(ctx context.Context, rec session.Record) error
}

// Mount is one mount of a container.
type Mount struct {
	Bind
	Target   string
	ReadOnly bool
}

// Container is what the engine is told. There is nothing of the template in it but limits and mounts.
type Container struct {
	Name, Hostname, ImageID string
	// Nonce, in a label, proves that the container is this session's: an image's labels become its containers' too.
	// Owner is the owner's uid, for the eyes of a person.
	Nonce, Owner string
	User         plan.User
	Mounts       []Mount
	Limits       plan.Limits
	Parent       string
	// Network is isolated or none.
	Network string
}

// containers is the engine's part.
type containers interface {
	// Create makes the container; one of the same name and nonce that is there already is that container.
	Create(ctx context.Context, c Container) (id string, err error)
	Start(ctx context.Context, id string) (pid int, err error)
	// Remove ends and removes the container with that name if its nonce matches; none is no error.
	Remove(ctx context.Context, name, nonce string) error
}

// limits is the kernel's part.
type limits interface {
	// Parent makes sure of the parent group of all sessions and names it as the engine wants it.
	Parent(ctx context.Context) (string, error)
	// Verify reads back what is in force for the container's first process; errs.NotFound if that has ended already.
	Verify(ctx context.Context, container string, pid int, want plan.Limits) (session.Applied, error)
}
