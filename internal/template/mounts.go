package template

import (
	"path"
	"strings"
)

// mounts reads spec.mounts; what the keys mean on this machine is the plan's work.
func (o *object) mounts() []Mount {
	var all []Mount
	o.entries("mounts", func(at string, f field) {
		o.refuse(f.off, at, "mount-key", CheckMountKey(f.key))
		m := Mount{Key: f.key}
		switch {
		case f.value.null():
		case f.value.kind == scalar:
			if isBlank(f.value.text) {
				o.problem(f.value.off, at, "mount-value", `is blank: write a target, or nothing at all for %s`, m.DefaultTarget())
				break
			}
			m.Target, m.ReadOnly = CutMode(f.value.text)
			o.target(f.value.off, at, m.Target)
		case f.value.kind == mapping:
			m = o.object(f.value, at, atMount, f.off).mount(m)
		default:
			o.problem(f.value.off, at, "mount-value", "wants a target, or a map with target, readonly, subpath, create; not a list")
		}
		all = append(all, m)
	})
	return all
}

// mount reads the long form.
func (o *object) mount(m Mount) Mount {
	in, target := o.scalar("target")
	if m.Target = target; target != "" {
		o.target(in.value.off, in.path, target)
	}
	m.ReadOnly, m.Create = o.boolean("readonly"), o.boolean("create")
	in, m.Subpath = o.scalar("subpath")
	if m.Subpath == "" {
		return m
	}
	if !isLocalPath(m.Subpath) {
		o.problem(in.value.off, in.path, "mount-subpath", "%s is not a path inside of the mount", short(m.Subpath))
	}
	if strings.Contains(strings.TrimPrefix(m.Key, "/"), "/") && !strings.HasPrefix(m.Key, "/") {
		o.problem(in.value.off, in.path, "mount-subpath", "the key names a path inside of the mount already: keep one")
	}
	return m
}

func (o *object) target(off int, at, target string) {
	if target != "" {
		_, err := CheckTarget(target)
		o.refuse(off, at, "target", err)
	}
}

// CutMode splits TARGET:ro and TARGET:rw; an empty target is the default one.
func CutMode(value string) (target string, readOnly bool) {
	if t, ok := strings.CutSuffix(value, ":ro"); ok {
		return t, true
	}
	return strings.TrimSuffix(value, ":rw"), false
}

// DefaultTarget is where a mount without a target goes: a vfolder or named path to /home/work/NAME, a host path to the last
// part of it there.
func (m Mount) DefaultTarget() string {
	if strings.HasPrefix(m.Key, "/") {
		return path.Join(Home, path.Base(path.Clean(m.Key)))
	}
	name, _, _ := strings.Cut(m.Key, "/")
	return path.Join(Home, name)
}

// maxMountName bounds the name of a vfolder or named host path, in bytes.
const maxMountName = 64

// CheckMountKey says what is wrong with the form of a key of spec.mounts: a name, NAME/subpath, or an absolute path.
func CheckMountKey(key string) error {
	if strings.ContainsFunc(key, isControl) {
		return invalid("%s has a control character", short(key))
	}
	if strings.HasPrefix(key, "/") {
		if clean := path.Clean(key); clean == "/" {
			return invalid("the whole file system of the host cannot be mounted")
		}
		return nil
	}
	name, sub, nested := strings.Cut(key, "/")
	switch {
	case name == "~":
		return invalid("%s begins with '~': write the absolute path", short(key))
	case nested && !isLocalPath(sub):
		return invalid("%s is not a path inside of %s", short(sub), short(name))
	}
	return CheckMountName(name)
}

// CheckMountName says what is wrong with the name of a vfolder or of a named host path: letters, digits, '.', '_' and '-',
// no '-' first.
func CheckMountName(name string) error {
	ok := name != "" && len(name) <= maxMountName && name != "." && name != ".." && name[0] != '-'
	for _, c := range []byte(name) {
		ok = ok && (isWord("_"+string(rune(c))) && c < 0x80 || c == '.' || c == '-')
	}
	if !ok {
		return invalid("%s is not a name: wants up to %d letters, digits, '.', '_' and '-', no '-' first",
			short(name), maxMountName)
	}
	return nil
}

// isLocalPath reports whether p stays inside of the directory that it starts from.
func isLocalPath(p string) bool {
	if p == "" || strings.HasPrefix(p, "/") || strings.ContainsFunc(p, isControl) {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return false
		}
	}
	return path.Clean(p) != "."
}
