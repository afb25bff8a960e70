package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// Values of [Image].PullPolicy.
const (
	PullMissing = "missing"
	PullAlways  = "always"
	PullNever   = "never"
)

// image normalises the reference as docker does, and refuses a platform that this host cannot run.
func (r *resolver) image() {
	o, k := r.in.Overrides, r.in.Template.Spec.Kernel
	written := pick(r, "image.reference", set(o.Image), k.Image)
	named, err := reference.ParseNormalizedNamed(written)
	if err != nil {
		r.wrong("image.reference", "image", fmt.Sprintf("%q is not an image: %v", written, err))
	} else {
		r.plan.Image.Reference = reference.TagNameOnly(named).String()
	}
	arch := pick(r, "image.platform", set(o.Architecture), k.Architecture)
	oci, err := template.NormalizeArchitecture(arch)
	if err != nil {
		r.wrongErr("image.platform", "architecture", err)
		return
	}
	name, variant, _ := strings.Cut(oci, "/")
	r.plan.Image.Platform = Platform{OS: "linux", Architecture: name, Variant: variant}
	r.canRun(arch, name)
	policy := r.in.Facts.Policy.PullPolicy
	r.from("image.pull_policy", FromPolicy)
	if o.PullPolicy != "" {
		policy = o.PullPolicy
		r.from("image.pull_policy", FromFlag)
	}
	r.plan.Image.PullPolicy = cmp.Or(policy, PullMissing)
}

// canRun says beforehand that this host has nothing to run the architecture with.
func (r *resolver) canRun(written, arch string) {
	platforms := r.in.Facts.Platforms
	if slices.Contains(platforms, arch) {
		if arch != platforms[0] {
			r.note("architecture %s is emulated on this %s host: expect it to be slow", written, platforms[0])
		}
		return
	}
	r.refuse(errs.New(errs.Unsupported, "architecture %s: this host runs %s and has no emulator for it",
		written, strings.Join(platforms, ", ")).
		WithHint("install one: apt-get install qemu-user-static binfmt-support"))
}
