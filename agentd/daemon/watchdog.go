package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/supervisor"
	"agentd/internal/systemd"
	"agentd/internal/unixsock"
)

// watch feeds the service manager's watchdog, if it has one, as long as all that is vital comes back.
func (d *daemon) watch(ctx context.Context) error {
	interval, err := systemd.Watchdog()
	if err != nil {
		return err //nolint:wrapcheck // it names the variable
	}
	if interval == 0 {
		return nil
	}
	d.log.Debug("the service manager watches", "interval", interval)
	go d.feed(ctx, interval, d.vitals(), d.notify.Ping)
	return nil
}

// feed looks four times an interval, so that one late answer on a busy machine costs nothing, and pings if all is well.
func (d *daemon) feed(ctx context.Context, interval time.Duration, vitals []*vital, ping func() error) {
	tick := time.NewTicker(interval / 4)
	defer tick.Stop()
	for {
		if err := alive(ctx, vitals, interval/4); err == nil {
			d.say("feed the watchdog", ping())
		} else if ctx.Err() == nil {
			d.log.Error("agentd hangs; the watchdog is not fed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// vital is something that must come back for agentd to count as alive. It is asked again only when it has come back, so
// that what hangs holds one goroutine.
type vital struct {
	name    string
	ask     func(context.Context) error
	pending chan error
}

// vitals are what a restart can heal if it hangs. The engine is not among them, nor what the store says: with a dead
// engine or a full disk agentd has still to answer, and to say so.
func (d *daemon) vitals() []*vital {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return unixsock.Dial(ctx, d.listener.Addr().String())
		},
		// Each time through the accept loop.
		DisableKeepAlives: true,
	}}
	return []*vital{
		{name: "the accept loop", ask: func(ctx context.Context) error { return answers(ctx, client) }},
		{name: "a write to the store", ask: func(ctx context.Context) error { return comesBack(d.store.Probe(ctx)) }},
		{name: "a look at all sessions", ask: func(context.Context) error {
			// Each session's record under its lock, as every request and every reconcile has it.
			d.sessions.supervisor.List(identity.Caller{Admin: true}, true, true)
			return nil
		}},
		reconciling(d.sessions.supervisor),
	}
}

// reconciling asks whether the reconcile loop goes its rounds.
func reconciling(s *supervisor.Supervisor) *vital {
	return &vital{name: "the reconcile tick", ask: func(context.Context) error { return s.Overdue() }}
}

// alive asks all that is vital, side by side, and says what has not come back.
func alive(ctx context.Context, vitals []*vital, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, v := range vitals {
		if v.pending == nil {
			v.pending = make(chan error, 1)
			go func(answer chan<- error) { answer <- v.ask(ctx) }(v.pending)
		}
	}
	for _, v := range vitals {
		select {
		case err := <-v.pending:
			v.pending = nil
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		case <-ctx.Done():
			return fmt.Errorf("%s: no answer in %s", v.name, limit)
		}
	}
	return nil
}

// comesBack makes a store that says no a living one: only silence counts.
func comesBack(err error) error {
	if errs.Is(err, errs.Timeout) || errs.Is(err, errs.Unavailable) {
		return err
	}
	return nil
}

// answers asks agentd for an answer over its own socket.
func answers(ctx context.Context, client *http.Client) error {
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
