package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"agentd/internal/config"
	"agentd/internal/systemd"
	"agentd/internal/version"
)

// Bounds of a stop: of the wait for requests under way, and then for what is being done for sessions, which an engine that
// hangs would draw out. TimeoutStopSec of the unit is longer than both together.
const (
	stopLimit  = 15 * time.Second
	letGoLimit = 10 * time.Second
)

// daemon is one run of agentd.
type daemon struct {
	stdio   Stdio
	signals <-chan os.Signal
	// load reads the configuration again.
	load   func() (config.Config, error)
	notify systemd.Notifier

	cfg config.Config
	// level is that of log, which is there from the moment that the configuration is read.
	level slog.LevelVar
	log   *slog.Logger
	*parts
	status status
}

// run serves until a signal stops it. A start that fails is an error; a stop that was asked for is not.
//
//	main goroutine   signals, and waits for the others
//	start            reads the configuration, opens the store, makes the listener; ends before anything is served
//	serve            the accept loop; net/http has one goroutine a connection
//	tell             the status line, after each change
//	housekeep        purges what was deleted long ago, returns memory
//	Measure          counts what happens to sessions, for the metrics
//	tend             removes what is left of sessions, looks for what belongs to none
//	watch            the watchdog, if the service manager has one
func (d *daemon) run(ctx context.Context) error {
	// In a goroutine of its own, so that a signal ends even a start that hangs on a dead disk.
	started := make(chan error, 1)
	go func() { started <- d.start(ctx) }()
	reload := false
	for waiting := true; waiting; {
		select {
		case err := <-started:
			if err != nil {
				return err
			}
			waiting = false
		case sig := <-d.signals:
			if sig != syscall.SIGHUP {
				// Nothing is served, and the store is safe to leave at any instant.
				return nil
			}
			reload = true
		}
	}
	return d.serve(ctx, reload)
}

// serve says that agentd is ready, and runs it until it is stopped.
func (d *daemon) serve(ctx context.Context, reload bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.listener) }()
	d.say("tell the status", d.notify.Status(d.statusLine()))
	d.say("say that agentd is ready", d.notify.Ready())
	d.log.Info("serving", "socket", d.listener.Addr().String(), "templates", d.count(), "version", version.String())
	go d.tell(ctx)
	go d.housekeep(ctx)
	go d.tend(ctx)
	go d.server.Measure(ctx)
	if err := d.watch(ctx); err != nil {
		return errors.Join(err, d.stop(ctx))
	}
	if reload {
		d.reload()
	}
	for {
		select {
		case err := <-served:
			return errors.Join(fmt.Errorf("the accept loop ended: %w", err), d.store.Close())
		case sig := <-d.signals:
			if sig == syscall.SIGHUP {
				d.reload()
				continue
			}
			d.log.Info("stopping", "signal", sig.String())
			cancel()
			return d.stop(ctx)
		}
	}
}

// stop lets the requests under way and what is done for sessions end, for a while. A second signal ends them at once.
func (d *daemon) stop(ctx context.Context) error {
	d.say("say that agentd stops", d.notify.Stopping())
	d.say("tell the status", d.notify.Status("stopping: waiting for requests"))
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-d.signals:
				if sig != syscall.SIGHUP {
					cancel()
				}
			}
		}
	}()
	requests, enough := context.WithTimeout(ctx, stopLimit)
	defer enough()
	if err := d.server.Shutdown(requests); err != nil {
		// They are cut, and their clients know; nothing was half-written.
		d.log.Warn("requests under way were cut", "error", err)
	}
	letGo := d.letGo(ctx)
	if err := d.audit.record.Close(); err != nil {
		d.log.Warn("close the record of who did what", "error", err)
	}
	if !letGo {
		// They still write their records. The next agentd takes this one for killed, which is safe at any instant.
		d.log.Info("stopped, as if it were killed")
		return nil
	}
	if err := d.store.Close(); err != nil {
		d.log.Error("close the store", "error", err)
	}
	d.log.Info("stopped")
	return nil
}

// letGo waits for what is being done for sessions, for a while, and reports whether nothing is done any more.
func (d *daemon) letGo(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, letGoLimit)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- d.sessions.close() }()
	select {
	case err := <-closed:
		if err != nil {
			d.log.Warn("let go of the sessions", "error", err)
		}
		return true
	case <-ctx.Done():
		d.log.Warn("what is being done for sessions is left undone; the next agentd goes on with it", "cause", ctx.Err())
		return false
	}
}

// say logs that the service manager could not be told something: it stops nothing.
func (d *daemon) say(what string, err error) {
	if err != nil {
		d.log.Debug("could not "+what, "error", err)
	}
}
