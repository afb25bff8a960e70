package config

import (
	"regexp"
	"time"

	"agentd/internal/layout"
	"agentd/internal/resource"
)

// Default is the configuration of an agentd that has no file, run by uid on the machine hostname; getenv is os.Getenv.
// Root's agentd is for all users of the machine, an ordinary user's for himself alone.
func Default(uid int, hostname string, getenv func(string) string) Config {
	places := layout.DefaultPlaces(uid, getenv)
	c := Config{
		Agent:      Agent{ID: agentID(hostname), ScalingGroup: "default"},
		Socket:     Socket{Path: places.Runtime.Socket(), Group: "agentd", Mode: 0o660},
		StateDir:   string(places.State),
		RuntimeDir: string(places.Runtime),
		Engine: Engine{
			PullPolicy: "missing", PullTimeout: 30 * time.Minute, StallTimeout: time.Minute, LocalImages: "guarded",
		},
		Sessions: Sessions{
			User: "caller", Network: "isolated", BootstrapTimeout: 30 * time.Minute, StopGrace: 10 * time.Second,
			KeepRecords: 720 * time.Hour, KeepFiles: 720 * time.Hour, LeftoverGrace: 10 * time.Minute,
			LogMax: 50 * resource.MiB, PIDs: 4096,
			Defaults: SessionDefaults{CPU: resource.Core, Mem: 2 * resource.GiB},
		},
		Templates: Templates{KeepDeleted: 720 * time.Hour, KeepRevisions: 100},
		Resources: Resources{Reserve: Reserve{Mem: 256 * resource.MiB}, GPUs: "auto", Group: "agentd"},
		Quotas:    Quotas{Pending: 5000, Slots: map[string]int{}},
		HostPaths: HostPaths{Named: map[string]HostPath{}, Allow: []string{"~"}},
		Git: Git{
			Timeout: 10 * time.Minute, Memory: 512 * resource.MiB, CacheMax: 5 * resource.GiB,
			Schemes: []string{"https", "ssh"}, InsteadOf: map[string]string{},
		},
		Audit: Audit{Max: 16 * resource.MiB},
		Log:   Log{Level: "info", Format: "auto"},
	}
	if uid != 0 {
		c.Engine.LocalImages = "all"
		c.Socket.Group, c.Socket.Mode = "", 0o600
	}
	return c
}

// agentID makes a hostname fit the rule of agent.id, whatever the machine is called.
func agentID(hostname string) string {
	id := regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(hostname, "-")
	id = regexp.MustCompile(`^[^A-Za-z0-9]+`).ReplaceAllString(id, "")
	if id == "" {
		return "localhost"
	}
	return id[:min(len(id), 64)]
}
