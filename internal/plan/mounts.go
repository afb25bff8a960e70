package plan

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// mounts resolves each key to a source and a target; launches of the same input list them in the same order.
func (r *resolver) mounts() {
	written := map[string]template.Mount{}
	if !r.in.Overrides.NoMounts {
		for _, m := range r.in.Template.Spec.Mounts {
			written[m.Key] = m
			r.from("mounts."+m.Key, FromTemplate)
		}
	}
	for key, value := range r.in.Overrides.Mounts {
		if value == nil {
			delete(written, key)
			delete(r.sources, "mounts."+key)
			continue
		}
		target, readOnly := template.CutMode(*value)
		written[key] = template.Mount{Key: key, Target: target, ReadOnly: readOnly}
		r.from("mounts."+key, FromFlag)
	}
	for key, w := range written {
		if m, ok := r.mount(key, w); ok {
			r.plan.Mounts = append(r.plan.Mounts, m)
		}
	}
	slices.SortFunc(r.plan.Mounts, func(a, b Mount) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Source, b.Source))
	})
	r.apart()
}

func (r *resolver) mount(key string, w template.Mount) (Mount, bool) {
	m, err := r.source(key, w)
	if err != nil {
		r.refuse(err)
		return Mount{}, false
	}
	m.ReadOnly = m.ReadOnly || w.ReadOnly
	m.Create = w.Create
	target := w.Target
	if target == "" {
		target = cmp.Or(m.Name, path.Base(m.Source))
	}
	clean, err := template.CheckTarget(target)
	if err != nil {
		r.wrongErr("mounts."+key, "target", err)
		return Mount{}, false
	}
	m.Target = clean
	return m, true
}

// source finds what a key means: an absolute path of the host, a vfolder of the caller, or a named path of the config.
func (r *resolver) source(key string, w template.Mount) (Mount, error) {
	if filepath.IsAbs(key) {
		return r.hostPath(filepath.Clean(key), w.Subpath)
	}
	name, sub, _ := strings.Cut(key, "/")
	if sub != "" && w.Subpath != "" {
		return Mount{}, errs.New(errs.Invalid, "mount %q: the key and 'subpath' both name a path inside %q", key, name)
	}
	sub = cmp.Or(sub, w.Subpath)
	if f, ok := r.in.Facts.VFolders[name]; ok {
		return beneath(Mount{Kind: MountVFolder, Name: name, Root: f.Path}, key, sub)
	}
	if p, ok := r.in.Facts.Policy.HostPaths[name]; ok {
		return beneath(Mount{Kind: MountHost, Name: name, Root: p.Path, ReadOnly: p.ReadOnly}, key, sub)
	}
	return Mount{}, errs.New(errs.NotFound, "mount %q: there is no vfolder and no named host path %q", key, name).
		WithHint("ctl vfolder create %s makes one; --mount %s- leaves it out", name, key)
}

// hostPath accepts an absolute path under one of the allowed prefixes. That the caller can open it is seen at launch.
func (r *resolver) hostPath(p, sub string) (Mount, error) {
	for _, prefix := range r.in.Facts.Policy.Allow {
		if prefix == "~" || strings.HasPrefix(prefix, "~/") {
			if r.in.Facts.Caller.Home == "" {
				continue
			}
			prefix = filepath.Join(r.in.Facts.Caller.Home, strings.TrimPrefix(prefix, "~"))
		}
		prefix = filepath.Clean(prefix)
		if p == prefix || strings.HasPrefix(p, strings.TrimSuffix(prefix, "/")+"/") {
			rel, err := filepath.Rel(prefix, p)
			if err != nil {
				continue
			}
			return beneath(Mount{Kind: MountHost, Root: prefix}, p, filepath.Join(rel, sub))
		}
	}
	return Mount{}, errs.New(errs.Forbidden, "mount %q: host paths may lie under %s only", p,
		strings.Join(r.in.Facts.Policy.Allow, ", ")).
		WithHint("an administrator can name it in host_paths.named or host_paths.allow of the config")
}

// beneath sets the source of m to sub below its root.
func beneath(m Mount, key, sub string) (Mount, error) {
	if sub != "" && !filepath.IsLocal(sub) {
		return Mount{}, errs.New(errs.Invalid, "mount %q: %q leads out of it", key, sub)
	}
	m.Source = filepath.Join(m.Root, sub)
	return m, nil
}

// apart refuses targets that are equal or lie in one another: the engine would let one hide the other.
func (r *resolver) apart() {
	targets := make([]string, 0, len(r.plan.Mounts)+1)
	for _, m := range r.plan.Mounts {
		targets = append(targets, m.Target)
	}
	if r.plan.Checkout != nil && r.plan.Checkout.Target != "" {
		targets = append(targets, r.plan.Checkout.Target)
	}
	slices.Sort(targets)
	for i, t := range targets {
		for _, other := range targets[i+1:] {
			switch {
			case t == other:
				r.wrong("mounts", "target-nested", fmt.Sprintf("the target %s is that of two mounts", t))
			case strings.HasPrefix(other, t+"/"):
				r.wrong("mounts", "target-nested", fmt.Sprintf("the target %s lies in the target %s", other, t))
			}
		}
	}
}
