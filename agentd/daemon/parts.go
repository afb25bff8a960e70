package daemon

import (
	"agentd/agentd/daemon/adapt"
	"context"
	"errors"
	"net"

	"agentd/internal/catalog"
	"agentd/internal/config"
	"agentd/internal/layout"
	"agentd/internal/server"
	"agentd/internal/store"
	"agentd/internal/unixsock"
)

// parts are what agentd is made of, once it has started.
type parts struct {
	store    *store.Store
	catalog  *catalog.Catalog
	sessions *sessions
	server   *server.Server
	audit    audit
	listener net.Listener
	// changed has room for one word that something has changed.
	changed chan struct{}
}

// start opens everything, from the bottom to the top; the listener comes last, so that nobody is kept waiting in vain.
func (d *daemon) start(ctx context.Context) error {
	cfg, err := d.load()
	if err != nil {
		return err
	}
	d.cfg = cfg
	d.log = newLogger(d.stdio.Err, cfg.Log, &d.level)
	admin, err := administrators(d.cfg.Socket.AdminGroup, d.stdio.UID)
	if err != nil {
		return err
	}
	d.say("tell the status", d.notify.Status("reading the state directory "+d.cfg.StateDir))
	st, err := store.Open(layout.State(d.cfg.StateDir), d.log) //nolint:contextcheck // what it begins must end
	if err != nil {
		return err //nolint:wrapcheck // it names the directory and the step
	}
	p := &parts{store: st, changed: make(chan struct{}, 1)}
	p.catalog = catalog.New(st.Templates(), keeping(d.cfg), catalog.Options{Log: d.log})
	if err := makeRuntimeDir(d.cfg.RuntimeDir, d.stdio.UID); err != nil {
		return errors.Join(err, st.Close())
	}
	if p.sessions, err = d.newSessions(st, p.catalog); err != nil {
		return errors.Join(err, st.Close())
	}
	if p.audit, err = openAudit(layout.State(cfg.StateDir), int64(cfg.Audit.Max), d.log); err != nil {
		return errors.Join(err, st.Close())
	}
	p.server, err = server.New(server.Options{
		Audit:    p.audit,
		Sessions: p.sessions.routes(p.catalog),
		VFolders: adapt.VFolders{Folders: p.sessions.folders, Most: p.sessions.quotas.folderBytes},
		System:   p.sessions.system(st, cfg),
		Engine:   adapt.EngineProbe{Host: p.sessions.host, Leftovers: p.sessions.supervisor.CheckLeftovers},
		Templates: server.Templates{
			Reader: p.catalog, Writer: p.catalog, History: p.catalog, Remover: p.catalog,
		},
		Count:       p.count,
		Store:       st.Probe,
		ConnContext: unixsock.ConnContext(admin, d.log),
		Changed:     p.change,
		Log:         d.log,
	})
	if err == nil {
		_, err = p.sessions.supervisor.Restore(ctx)
	}
	if err == nil {
		p.listener, err = d.listen(ctx)
	}
	if err != nil {
		return errors.Join(err, st.Close())
	}
	d.parts = p
	return nil
}

// change remembers that something has changed; a second one before the first was seen adds nothing.
func (p *parts) change() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func keeping(c config.Config) catalog.Keeping {
	return catalog.Keeping{Deleted: c.Templates.KeepDeleted, Revisions: c.Templates.KeepRevisions, Most: c.Quotas.Templates}
}
