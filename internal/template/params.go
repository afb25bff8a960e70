package template

import (
	"regexp"
	"strings"
)

// Names of parameters, and their use in environ, run, git.repository, git.branch and git.commit.
var (
	paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	paramUse  = regexp.MustCompile(`\$\{param:([A-Za-z_][A-Za-z0-9_-]*)\}`)
)

// params reads x-agentd.params: NAME with its default, or {description, default}; null if the launch must give the value.
func (o *object) readParams() []Param {
	var all []Param
	o.entries("params", func(path string, f field) {
		if !paramName.MatchString(f.key) || len(f.key) > maxGuess {
			o.problem(f.off, path, "param-name",
				"%s is not the name of a parameter: wants letters, digits, '_' and '-'", short(f.key))
		}
		p := Param{Name: f.key}
		switch {
		case f.value.null():
		case f.value.kind == scalar:
			p.Default = &f.value.text
		default:
			if in := o.object(f.value, path, atParam, f.off); in != nil {
				p.Description = in.line("description")
				if m, ok := in.get("default"); ok {
					if text, ok := in.text(m.path, field{off: m.off, value: m.value}, ""); ok {
						p.Default = &text
					}
				}
			}
		}
		all = append(all, p)
	})
	return all
}

// filled puts the defaults of parameters in their place. complete is false if a value is known only at launch: then the
// plan checks what comes out.
func (r *reader) filled(m member, text string) (filled string, complete bool) {
	if !strings.Contains(text, "${param:") {
		return text, true
	}
	complete = true
	filled = paramUse.ReplaceAllStringFunc(text, func(use string) string {
		name := paramUse.FindStringSubmatch(use)[1]
		p, known := r.params[name]
		if known && p.Default != nil {
			return *p.Default
		}
		complete = false
		if !known {
			r.problem(m.value.off, m.path, "unknown-param", "%s is not declared in x-agentd.params", use)
		}
		return use
	})
	return filled, complete
}
