package launch

import (
	"context"
	"maps"
	"slices"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/session"
)

// imageStep brings the image, and refuses one that cannot do what the plan asks of it.
type imageStep struct{}

var _ Step = imageStep{}

func (imageStep) Name() string       { return StepImage }
func (imageStep) Skip(*Attempt) bool { return false }

func (imageStep) Do(ctx context.Context, a *Attempt) error {
	p := a.Record().Plan
	image, err := a.Images.Ensure(ctx, a.Record().Owner, p.Image, a.Secrets, func(pr Progress) {
		pr.Step = StepImage
		a.Tell(pr)
	})
	if err != nil {
		return err
	}
	if err := fitsPlan(image, p); err != nil {
		return err
	}
	for _, v := range image.Volumes {
		a.Tell(Note{Step: StepImage, Text: "the image's volume " + v + " is an empty tmpfs in the session"})
	}
	passwd, group := Passwd(image.Passwd, p.User), Group(image.Group, p.User)
	if err := a.Scratches.Etc(ctx, a.Record(), passwd, group); err != nil {
		return err
	}
	a.setImage(image)
	// Durable with the intent to make the container; until then it is found again as quickly.
	a.Change(func(r *session.Record) { r.Staged.ImageID, r.Staged.ImageDigest = image.ID, image.Digest })
	return nil
}

// fitsPlan says before a session exists what would fail in it.
func fitsPlan(image Image, p plan.Plan) error {
	if p.Steps.StartupFromImage && len(image.Entrypoint)+len(image.Cmd) == 0 {
		return errs.New(errs.Invalid, "image %s has neither ENTRYPOINT nor CMD for x-agentd.startup_from",
			p.Image.Reference).WithHint("write spec.kernel.run.startup instead")
	}
	if err := leadsAstray(image, p); err != nil {
		return err
	}
	needsShell := p.Steps.Bootstrap != "" || p.Steps.Startup != ""
	if needsShell && image.ShellError != "" {
		return errs.New(errs.Invalid, "image %s cannot run the bootstrap and startup commands: %s", p.Image.Reference,
			image.ShellError).
			WithHint("use an image with a /bin/sh for %s", p.Image.Platform)
	}
	return nil
}

// leadsAstray refuses an image with a link in a place of ours that leads nowhere, or into what is mounted in the session:
// the engine follows it, and makes what is missing there as root, in a directory of the host's.
func leadsAstray(image Image, p plan.Plan) error {
	mounted := []string{plan.HomeDir}
	for _, m := range p.Mounts {
		mounted = append(mounted, m.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(image.Leads)) {
		to := image.Leads[name]
		into := func(target string) bool { return to == target || strings.HasPrefix(to, target+"/") }
		if to == "" || slices.ContainsFunc(mounted, into) {
			return errs.New(errs.Invalid, "image %s: %s is a symbolic link that leads into nothing of the image's own",
				p.Image.Reference, name).WithHint("make it a file or directory in the image")
		}
	}
	return nil
}

// Undo leaves the image: others may use it.
func (imageStep) Undo(context.Context, *Attempt) error { return nil }
