package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var paramRef = regexp.MustCompile(`\$\{param:([A-Za-z_][A-Za-z0-9_-]*)\}`)

// params refuses values for what the template does not declare, and declared ones that have none.
func (r *resolver) params() {
	declared := map[string]bool{}
	for _, p := range r.in.Template.Extension.Params {
		declared[p.Name] = true
		if _, given := r.in.Overrides.Params[p.Name]; !given && p.Default == nil {
			r.wrong("params."+p.Name, "param-missing", "the template wants a value: give --param "+p.Name+"=VALUE")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.in.Overrides.Params)) {
		if !declared[name] {
			known := slices.Sorted(maps.Keys(declared))
			r.wrong("params."+name, "param-unknown",
				fmt.Sprintf("the template has no such parameter; it has %s", strings.Join(known, ", ")))
		}
	}
}

// filled replaces each ${param:NAME} in a value of the template.
func (r *resolver) filled(path, text string) string {
	return paramRef.ReplaceAllStringFunc(text, func(ref string) string {
		name := paramRef.FindStringSubmatch(ref)[1]
		if value, ok := r.in.Overrides.Params[name]; ok {
			return value
		}
		for _, p := range r.in.Template.Extension.Params {
			if p.Name == name {
				if p.Default == nil {
					return ref
				}
				return *p.Default
			}
		}
		r.wrong(path, "param-undeclared", fmt.Sprintf("%s is not declared in x-agentd.params", ref))
		return ref
	})
}
