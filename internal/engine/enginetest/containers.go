package enginetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ScriptExit is a shell script that exits with code, which the fake understands too.
func ScriptExit(code int) string { return "exit " + strconv.Itoa(code) }

// ScriptUntilTerm is a shell script that runs until SIGTERM, and then exits with code; the fake understands it too.
func ScriptUntilTerm(code int) string {
	return "trap 'exit " + strconv.Itoa(code) + "' TERM; while :; do sleep 0.05; done"
}

type fakeContainer struct {
	id, name, imageID string
	labels            map[string]string
	hostConfig        json.RawMessage
	anonymous         []string // its anonymous volumes
	script            string
	state             string
	exitCode          int
	oom               bool
	created           time.Time
	started, finished time.Time
	ended             chan struct{} // closed when it does not run any more
	removed           chan struct{}
}

// createBody is what the fake looks at of a request to create a container.
type createBody struct {
	Image      string
	Entrypoint []string
	Labels     map[string]string
	HostConfig json.RawMessage
}

type hostConfig struct {
	Binds       []string
	Privileged  bool
	AutoRemove  bool
	CapDrop     []string
	SecurityOpt []string
	Mounts      []struct{ Type, Source, Target string }
}

func (f *Fake) containerCreate(w http.ResponseWriter, r *http.Request, _ string) {
	var body createBody
	var host hostConfig
	if json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal(body.HostConfig, &host) != nil {
		fail(w, http.StatusBadRequest, "invalid JSON")
		return
	}
	if len(host.Binds) > 0 || host.Privileged || host.AutoRemove || strings.Join(host.CapDrop, "") != "ALL" ||
		!strings.Contains(strings.Join(host.SecurityOpt, " "), "no-new-privileges") {
		f.illegal("create a container with %s", body.HostConfig)
	}
	for _, m := range host.Mounts {
		if m.Type == "bind" && !exists(m.Source) {
			fail(w, http.StatusBadRequest,
				`invalid mount config for type "bind": bind source path does not exist: `+m.Source)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	img := f.findImageLocked(body.Image)
	if img == nil {
		fail(w, http.StatusNotFound, "No such image: "+body.Image)
		return
	}
	if img.id != body.Image {
		f.illegal("create a container by the tag %s instead of an image's id", body.Image)
	}
	name := r.URL.Query().Get("name")
	if f.findLocked(name) != nil {
		fail(w, http.StatusConflict, "Conflict. The container name \"/"+name+"\" is already in use")
		return
	}
	c := &fakeContainer{
		id: f.newIDLocked(), name: name, imageID: img.id, hostConfig: body.HostConfig, state: "created",
		labels: map[string]string{}, created: f.tickLocked(), ended: make(chan struct{}), removed: make(chan struct{}),
	}
	if n := len(body.Entrypoint); n > 0 {
		c.script = body.Entrypoint[n-1]
	}
	maps.Copy(c.labels, img.Labels)
	maps.Copy(c.labels, body.Labels)
	f.addVolumesLocked(c, img, host)
	f.containers[c.id] = c
	f.tellLocked("create", c)
	answer(w, http.StatusCreated, map[string]string{"Id": c.id})
}

// addVolumesLocked makes the anonymous volumes.
func (f *Fake) addVolumesLocked(c *fakeContainer, img *fakeImage, host hostConfig) {
	covered := map[string]bool{}
	for _, m := range host.Mounts {
		covered[m.Target] = true
		if m.Type == "volume" && m.Source == "" {
			c.anonymous = append(c.anonymous, f.newIDLocked())
		}
	}
	for _, path := range img.Volumes {
		if !covered[path] {
			c.anonymous = append(c.anonymous, f.newIDLocked())
		}
	}
	for _, name := range c.anonymous {
		f.volumes[name] = &fakeVolume{name: name, labels: c.labels}
	}
}

// findLocked finds a container by id or name.
func (f *Fake) findLocked(ref string) *fakeContainer {
	for _, c := range f.containers {
		if c.id == ref || (c.name == ref && ref != "") {
			return c
		}
	}
	return nil
}

// withContainer runs do under the lock, or answers that there is none.
func (f *Fake) withContainer(w http.ResponseWriter, ref string, do func(*fakeContainer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.findLocked(ref)
	if c == nil {
		fail(w, http.StatusNotFound, "No such container: "+ref)
		return
	}
	do(c)
}

func (f *Fake) containerStart(w http.ResponseWriter, _ *http.Request, ref string) {
	f.withContainer(w, ref, func(c *fakeContainer) {
		if c.state == "running" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if c.state != "created" {
			f.illegal("start of the container %s, which has run before", c.name)
		}
		c.state, c.started = "running", f.tickLocked()
		f.tellLocked("start", c)
		if code, ok := strings.CutPrefix(c.script, "exit "); ok {
			n, err := strconv.Atoi(code)
			if err != nil {
				f.illegal("script %q", c.script)
			}
			f.endLocked(c, n)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// endLocked ends a running container.
func (f *Fake) endLocked(c *fakeContainer, code int) {
	c.state, c.exitCode, c.finished = "exited", code, f.tickLocked()
	close(c.ended)
	f.tellLocked("die", c)
}

// End ends the container called name, as its program would, with code; oom says that the kernel did it.
func (f *Fake) End(name string, code int, oom bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.findLocked(name)
	if c == nil || c.state != "running" {
		f.illegal("End of %s, which does not run", name)
		return
	}
	c.oom = oom
	if oom {
		f.tellLocked("oom", c)
	}
	f.endLocked(c, code)
}

// untilTerm finds the exit code of [ScriptUntilTerm].
func untilTerm(script string) (int, bool) {
	found := regexp.MustCompile(`^trap 'exit (\d+)' TERM;`).FindStringSubmatch(script)
	if found == nil {
		return 0, false
	}
	code, err := strconv.Atoi(found[1])
	return code, err == nil
}

func (f *Fake) containerStop(w http.ResponseWriter, _ *http.Request, ref string) {
	f.withContainer(w, ref, func(c *fakeContainer) {
		if c.state != "running" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		code, ok := untilTerm(c.script)
		if !ok {
			code = 137
		}
		f.endLocked(c, code)
		w.WriteHeader(http.StatusNoContent)
	})
}

func (f *Fake) containerKill(w http.ResponseWriter, r *http.Request, ref string) {
	f.withContainer(w, ref, func(c *fakeContainer) {
		if c.state != "running" {
			fail(w, http.StatusConflict, "Cannot kill container: "+ref+": Container "+c.id+" is not running")
			return
		}
		switch code, ok := untilTerm(c.script); r.URL.Query().Get("signal") {
		case "SIGKILL":
			f.endLocked(c, 137)
		case "SIGTERM":
			if ok {
				f.endLocked(c, code)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (f *Fake) containerRemove(w http.ResponseWriter, r *http.Request, ref string) {
	f.withContainer(w, ref, func(c *fakeContainer) {
		if r.URL.Query().Get("v") != "1" {
			f.illegal("removal of the container %s without its anonymous volumes", c.name)
		}
		if c.state == "running" {
			if r.URL.Query().Get("force") != "1" {
				fail(w, http.StatusConflict, "You cannot remove a running container")
				return
			}
			f.endLocked(c, 137)
		}
		for _, name := range c.anonymous {
			delete(f.volumes, name)
		}
		delete(f.containers, c.id)
		close(c.removed)
		f.tellLocked("destroy", c)
		w.WriteHeader(http.StatusNoContent)
	})
}
