package template

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// place is a target in the session, and the field that asks for it.
type place struct {
	target, path string
	off          int
}

// targetsApart notes targets that are the same or lie in one another: the order of mounting would decide what is seen.
func (o *object) targetsApart(s Spec) {
	var all []place
	add := func(p place) {
		if clean, err := CheckTarget(p.target); err == nil {
			p.target = clean
			all = append(all, p)
		}
	}
	if g := s.Kernel.Git; g != nil {
		m, _ := o.get("kernel")
		add(place{path: atGit, target: g.target(), off: m.off})
	}
	mounts, _ := o.get("mounts")
	for i, m := range s.Mounts {
		target := m.Target
		if target == "" && CheckMountKey(m.Key) == nil {
			target = m.DefaultTarget()
		}
		f := mounts.value.fields[i]
		add(place{path: join(mounts.path, f.key), target: target, off: f.off})
	}
	// With a '/' behind each, all that lies in a target comes right after it.
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.target+"/", b.target+"/"), cmp.Compare(a.off, b.off))
	})
	var outer place
	for i, p := range all {
		if i == 0 || !Within(p.target, outer.target) {
			outer = p
			continue
		}
		first, later := outer, p
		if first.off > later.off {
			first, later = later, first
		}
		relation := "lies in"
		switch {
		case later.target == first.target:
			relation = "is also"
		case Within(first.target, later.target):
			relation = "has in it"
		}
		o.problem(later.off, later.path, "target-overlap",
			"the target %s %s the target %s of %s", later.target, relation, first.target, first.path)
	}
}

// target is where the clone goes; "" if that is known only when the parameters are.
func (g *Git) target() string {
	if g.DestinationDir != "" {
		return g.DestinationDir
	}
	if strings.Contains(g.Repository, "${") {
		return ""
	}
	_, name, ok := strings.Cut(g.Repository, "://")
	if !ok {
		name = g.Repository[strings.LastIndexByte(g.Repository, ':')+1:]
	}
	return strings.TrimSuffix(path.Base(strings.TrimRight(name, "/")), ".git")
}
