package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"agentd/internal/api"
	"agentd/internal/systemd"
	"agentd/internal/unixsock"
)

// watch feeds the service manager's watchdog, if it has one, as long as agentd answers on its own socket. Neither the
// engine nor a full disk is asked: a restart would heal neither.
func (d *daemon) watch(ctx context.Context) error {
	interval, err := systemd.Watchdog()
	if err != nil {
		return err //nolint:wrapcheck // it names the variable
	}
	if interval == 0 {
		return nil
	}
	d.log.Debug("the service manager watches", "interval", interval)
	go d.feed(ctx, interval)
	return nil
}

func (d *daemon) feed(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return unixsock.Dial(ctx, d.listener.Addr().String())
		},
		// Each time through the accept loop.
		DisableKeepAlives: true,
	}}
	for {
		if err := alive(ctx, client, interval/4); err == nil {
			d.say("feed the watchdog", d.notify.Ping())
		} else if ctx.Err() == nil {
			d.log.Error("agentd does not answer itself; the watchdog is not fed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// alive asks agentd for an answer over its own socket.
func alive(ctx context.Context, client *http.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api.Host+api.PathHealth+"?part=daemon", nil)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is written to it
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}
