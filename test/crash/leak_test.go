package crash_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentd/internal/api"
	"agentd/internal/plan"
	"agentd/internal/testenv/scratch"
)

// holding is what agentd holds at one instant.
type holding struct{ descriptors, goroutines, mounts, directories int }

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

// holds counts what agentd holds, without what the counting itself takes.
func (w *world) holds() holding {
	w.t.Helper()
	var h holding
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid))
	must(w.t, err)
	resp, err := w.raw().Get("http://agentd/metrics")
	must(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	found := goroutines.FindSubmatch(text)
	if found == nil {
		w.t.Fatalf("no goroutines in %s", text)
	}
	h.descriptors = len(fds)
	h.goroutines, err = strconv.Atoi(string(found[1]))
	must(w.t, err)
	mounts, err := scratch.Mounts(w.dir)
	must(w.t, err)
	dirs, err := filepath.Glob(filepath.Join(w.dir, "state", "users", "*", "s*", "*"))
	must(w.t, err)
	staged, err := filepath.Glob(filepath.Join(w.dir, "run", "mnt", "*"))
	must(w.t, err)
	h.mounts, h.directories = len(mounts), len(dirs)+len(staged)
	return h
}

// raw is a client that holds no connection.
func (w *world) raw() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(w.dir, "run", "agentd.sock"))
		},
	}}
}

// Whatever was launched, and whatever failed: what agentd holds comes back to what it was. 500 launches and 100 that fail in a
// campaign, a share of that otherwise.
func TestLeak_LaunchesLeaveNothing(t *testing.T) {
	t.Parallel()
	launches, failures := 25, 5
	if os.Getenv("AGENTD_CAMPAIGN") != "" {
		launches, failures = 500, 100
	}
	w := newWorld(t, ownEngine(t).Host())
	day := func(n int, o plan.Overrides) {
		for i := 0; i < n; i += 5 {
			var ids []string
			for range min(5, n-i) {
				ids = append(ids, w.enqueue(fmt.Sprint("leak-", time.Now().UnixNano()), o))
			}
			for _, id := range ids {
				w.until(id, time.Minute, "an end", ended)
				for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
					_, err := w.client.RemoveSession(t.Context(), id)
					if err == nil {
						break
					}
					if time.Now().After(deadline) {
						t.Fatal(err)
					}
				}
			}
		}
	}
	mount := plan.Overrides{Startup: script("0", 0), Mounts: map[string]*string{w.files: new("/mnt/files:ro")}}
	day(5, mount)
	before := w.holds()
	day(launches, mount)
	day(failures, plan.Overrides{Image: "127.0.0.1:1/no/such:1", Startup: script("0", 0)})
	var after holding
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		after = w.holds()
		// A connection that is just being closed is no leak: a leak grows with the launches.
		if after.mounts <= before.mounts && after.directories <= before.directories &&
			after.descriptors <= before.descriptors+2 && after.goroutines <= before.goroutines+4 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("before: %+v; after: %+v", before, after)
			break
		}
	}
	t.Logf("%d launches and %d failed ones: before %+v, after %+v", launches, failures, before, after)
}

// 1000 clients at once: whoever is refused is told to come again, and nothing else goes wrong. A minute in a campaign.
func TestLoad_AThousandClients(t *testing.T) {
	t.Parallel()
	span := 10 * time.Second
	if os.Getenv("AGENTD_CAMPAIGN") != "" {
		span = time.Minute
	}
	w := newWorld(t, ownEngine(t).Host())
	before := w.holds()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var mu sync.Mutex
	answers := map[int]int{}
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			c := w.raw()
			for ctx.Err() == nil {
				path := []string{"/v1/templates", "/v1/sessions", "/v1/templates/crash-job", "/v1/healthz"}[i%4]
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agentd"+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := c.Do(req)
				status := 0
				if err == nil {
					io.Copy(io.Discard, resp.Body) // the status is all
					resp.Body.Close()
					status = resp.StatusCode
					if (status == 429 || status == 503) && resp.Header.Get("Retry-After") == "" {
						t.Errorf("%d without Retry-After", status)
					}
					if status >= 500 && status != 503 {
						t.Errorf("%s: %d", path, status)
					}
				} else if ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
					status = -1
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
				if status != http.StatusOK {
					pause(ctx)
				}
			}
		})
	}
	wg.Wait()
	if answers[http.StatusOK] == 0 {
		t.Error("nobody was served")
	}
	var after holding
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		after = w.holds()
		if after.descriptors <= before.descriptors+4 && after.goroutines <= before.goroutines+8 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("before: %+v; after: %+v", before, after)
			break
		}
	}
	// It serves as before.
	if _, err := w.client.Sessions(t.Context(), api.SessionQuery{}); err != nil {
		t.Error(err)
	}
	t.Logf("1000 clients for %s, answers by status (-1: the connection was refused): %v; before %+v, after %+v", span, answers, before, after)
}
