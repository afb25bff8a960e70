package enginetest

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// stamp writes a time as the engine does: never is the year 1.
func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

func (f *Fake) containerInspect(w http.ResponseWriter, _ *http.Request, ref string) {
	f.withContainer(w, ref, func(c *fakeContainer) {
		pid := 0
		if c.state == "running" {
			pid = os.Getpid()
		}
		answer(w, http.StatusOK, map[string]any{
			"Id": c.id, "Name": "/" + c.name, "Image": c.imageID, "Created": stamp(c.created),
			"State": map[string]any{
				"Status": c.state, "Running": c.state == "running", "ExitCode": c.exitCode, "OOMKilled": c.oom, "Pid": pid,
				"StartedAt": stamp(c.started), "FinishedAt": stamp(c.finished),
			},
			"Config": map[string]any{"Labels": c.labels}, "HostConfig": c.hostConfig,
		})
		if f.late != nil {
			f.late(c)
		}
	})
}

func (f *Fake) containerList(w http.ResponseWriter, r *http.Request, _ string) {
	if r.URL.Query().Get("all") != "1" {
		f.illegal("a list of running containers only")
	}
	matches := labelFilter(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	for _, c := range f.containers {
		if matches(c.labels) {
			list = append(list, map[string]any{
				"Id": c.id, "Names": []string{"/" + c.name}, "ImageID": c.imageID, "Labels": c.labels, "State": c.state,
				"Created": c.created.Unix(),
			})
		}
	}
	answer(w, http.StatusOK, list)
}

// containerLogs has nothing to tell: nothing runs here.
func (f *Fake) containerLogs(w http.ResponseWriter, _ *http.Request, ref string) {
	f.withContainer(w, ref, func(*fakeContainer) { w.WriteHeader(http.StatusOK) })
}

func (f *Fake) containerWait(w http.ResponseWriter, r *http.Request, ref string) {
	f.mu.Lock()
	c := f.findLocked(ref)
	f.mu.Unlock()
	if c == nil {
		fail(w, http.StatusNotFound, "No such container: "+ref)
		return
	}
	until := c.ended
	if r.URL.Query().Get("condition") == "removed" {
		until = c.removed
	}
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush() //nolint:errcheck // the wait tells
	if f.hang(r, until) {
		f.mu.Lock()
		defer f.mu.Unlock()
		answer(w, http.StatusOK, map[string]any{"StatusCode": c.exitCode})
	}
}

// fakeEvent is one event, as it is sent.
type fakeEvent struct {
	at     time.Time
	action string
	id     string
	labels map[string]string
}

func (f *Fake) tellLocked(action string, c *fakeContainer) {
	f.events = append(f.events, fakeEvent{f.tickLocked(), action, c.id, c.labels})
	close(f.told)
	f.told = make(chan struct{})
}

// streamEvents sends the events since the time that was asked for, and then those that come.
func (f *Fake) streamEvents(w http.ResponseWriter, r *http.Request, _ string) {
	matches := labelFilter(r)
	var filters struct {
		Event map[string]bool `json:"event"`
	}
	json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) //nolint:errcheck // none is none
	f.mu.Lock()
	next := len(f.events)
	if since := parseSince(r.URL.Query().Get("since")); !since.IsZero() {
		for next > 0 && !f.events[next-1].at.Before(since) {
			next--
		}
	}
	f.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	http.NewResponseController(w).Flush() //nolint:errcheck // what follows tells
	for {
		f.mu.Lock()
		fresh, told := f.events[next:], f.told
		next = len(f.events)
		f.mu.Unlock()
		for _, e := range fresh {
			if matches(e.labels) && filters.Event[e.action] {
				answer(w, http.StatusOK, map[string]any{
					"Type": "container", "Action": e.action, "Actor": map[string]any{"ID": e.id, "Attributes": e.labels},
					"time": e.at.Unix(), "timeNano": e.at.UnixNano(),
				})
			}
		}
		if !f.hang(r, told) {
			return
		}
	}
}

// parseSince reads SECONDS.NANOSECONDS.
func parseSince(s string) time.Time {
	seconds, nanoseconds, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	nano, err := strconv.ParseInt(nanoseconds, 10, 64)
	if err != nil {
		nano = 0
	}
	return time.Unix(sec, nano)
}
