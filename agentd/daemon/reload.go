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
		d.status.setNote("the configuration was not reloaded: " + first)
	} else {
		applied, restart := config.Reload(d.cfg, loaded)
		d.cfg = applied
		d.level.Set(levelOf(applied.Log.Level))
		d.catalog.SetKeeping(keeping(applied))
		d.sessions.quotas.now.Store(&applied.Quotas)
		d.log.Info("the configuration is reloaded")
		d.status.setNote("")
		if len(restart) > 0 {
			keys := strings.Join(restart, ", ")
			d.log.Warn("some changed keys take effect only after a restart", "keys", keys)
			d.status.setNote("a restart is needed for " + keys)
		}
	}
	d.say("tell the status", d.notify.Status(d.statusLine()))
	d.say("say that agentd is ready", d.notify.Ready())
}
