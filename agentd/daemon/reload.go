package daemon

import (
	"strings"

	"agentd/internal/config"
)

// reload takes over what can be changed while agentd runs. A configuration that is not valid changes nothing.
func (d *daemon) reload() {
	d.say("say that agentd reloads", d.notify.Reloading())
	loaded, err := d.load()
	if err != nil {
		d.log.Error("the configuration is not reloaded; the old one stays in force", "error", err)
		first, _, _ := strings.Cut(err.Error(), "\n")
		d.status.setRefused(first)
	} else {
		applied, restart := config.Reload(d.cfg, loaded)
		d.cfg = applied
		d.level.Set(levelOf(applied.Log.Level))
		d.catalog.SetKeeping(keeping(applied))
		d.log.Info("the configuration is reloaded")
		d.status.setRefused("")
		if len(restart) > 0 {
			keys := strings.Join(restart, ", ")
			d.log.Warn("some changed keys take effect only after a restart", "keys", keys)
			d.status.setRefused(keys + " need a restart")
		}
	}
	d.say("tell the status", d.notify.Status(d.status.text(d.count())))
	d.say("say that agentd is ready", d.notify.Ready())
}
