package config

import (
	"maps"
	"reflect"
	"slices"
)

// Reload returns the configuration in force after a reload: new where a key can be changed while agentd runs, old
// elsewhere. needsRestart lists the keys that differ and stay as they are.
func Reload(old, new Config) (applied Config, needsRestart []string) {
	applied = old.clone()
	to, from := fields(reflect.ValueOf(&applied).Elem(), ""), fields(reflect.ValueOf(&new).Elem(), "")
	for i := range to {
		if reflect.DeepEqual(to[i].value.Interface(), from[i].value.Interface()) {
			continue
		}
		if to[i].tag.Get("reload") == "" {
			needsRestart = append(needsRestart, to[i].path)
			continue
		}
		to[i].value.Set(from[i].value)
	}
	return applied, needsRestart
}

// clone copies what a later change could reach.
func (c Config) clone() Config {
	c.HostPaths.Named = maps.Clone(c.HostPaths.Named)
	c.HostPaths.Allow = slices.Clone(c.HostPaths.Allow)
	c.Git.Schemes = slices.Clone(c.Git.Schemes)
	c.Git.InsteadOf = maps.Clone(c.Git.InsteadOf)
	return c
}
