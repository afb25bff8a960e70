package template

import (
	"strings"

	"github.com/distribution/reference"
)

func (o *object) kernel() Kernel {
	o = o.need("kernel", atKernel)
	k := Kernel{Architecture: DefaultArchitecture}
	var m member
	if m, k.Image = o.required("image", "an image such as python:3.12"); k.Image != "" {
		o.refuse(m.value.off, m.path, "image", CheckImage(k.Image))
	}
	if o == nil {
		return k
	}
	if m, text := o.scalar("architecture"); text != "" {
		k.Architecture = text
		_, err := NormalizeArchitecture(text)
		o.refuse(m.value.off, m.path, "architecture", err)
	}
	k.Environ = o.environ()
	run := o.under("run", atRun)
	k.Run = Run{Bootstrap: run.script("bootstrap"), Startup: run.script("startup")}
	k.Git = o.under("git", atGit).git()
	return k
}

// CheckImage says what is wrong with the form of an image's name; docker's own rules decide.
func CheckImage(image string) error {
	_, err := reference.ParseNormalizedNamed(image)
	switch {
	case err == nil:
		return nil
	case err.Error() == reference.ErrReferenceInvalidFormat.Error():
		return invalid("%s is not the name of an image: wants one such as python:3.12 or registry.example.com/team/tool:1",
			short(image))
	default:
		why := strings.TrimPrefix(err.Error(), "invalid reference format: ")
		return invalid("%s is not the name of an image: %s", short(image), why)
	}
}

func (o *object) script(name string) string {
	m, text := o.scalar(name)
	if text != "" {
		o.filled(m, text)
	}
	return text
}

// environ keeps every value as it was written, whatever YAML makes of it.
func (o *object) environ() []Variable {
	var all []Variable
	o.entries("environ", func(path string, f field) {
		o.refuse(f.off, path, "env-name", CheckVariable(f.key))
		value, ok := o.text(path, f, `write "" for an empty value`)
		if ok {
			o.filled(member{path: path, off: f.off, value: f.value}, value)
		}
		if f.key == "HOME" || f.key == "USER" || strings.HasPrefix(f.key, "BACKENDAI_") {
			o.warn(f.off, path, "env-ours", "is set by the agent: this value is not used")
		}
		all = append(all, Variable{Name: f.key, Value: value})
	})
	return all
}

// CheckVariable says what is wrong with the name of an environment variable: it must be one that a shell can export.
func CheckVariable(name string) error {
	if !isWord(name) {
		return invalid("%s is not the name of a variable: wants letters, digits and '_', no digit first", short(name))
	}
	return nil
}

// isWord reports whether s is a name of POSIX: ASCII letters, digits and '_', no digit first.
func isWord(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
