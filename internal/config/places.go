package config

import (
	"path/filepath"

	"agentd/internal/layout"
)

// derive fills in what follows from other keys: the socket lies in the runtime directory unless it is named.
func (c *Config) derive(set map[string]bool, def Config) {
	if !set["socket.path"] && c.RuntimeDir != def.RuntimeDir && filepath.IsAbs(c.RuntimeDir) {
		c.Socket.Path = layout.Runtime(c.RuntimeDir).Socket()
	}
}

// places refuses a relative path that came from the environment: an agentd without HOME would keep its state where it
// happens to be started.
func (d *decoder) places(c Config) {
	for _, p := range []struct{ key, path string }{
		{"state_dir", c.StateDir}, {"runtime_dir", c.RuntimeDir}, {"socket.path", c.Socket.Path},
	} {
		if !d.set[p.key] && !filepath.IsAbs(p.path) {
			d.report(place{path: p.key}, "absolute", "has no default without HOME in the environment: set it")
		}
	}
}
