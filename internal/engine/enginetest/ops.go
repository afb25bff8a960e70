package enginetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
)

// Op is a call of the engine's API.
type Op string

// The calls that the fake knows.
const (
	Ping             Op = "ping"
	Info             Op = "info"
	Events           Op = "events"
	ImageInspect     Op = "image.inspect"
	ImagePull        Op = "image.pull"
	ImageTag         Op = "image.tag"
	ImageRemove      Op = "image.remove"
	ImageList        Op = "image.list"
	ContainerCreate  Op = "container.create"
	ContainerInspect Op = "container.inspect"
	ContainerList    Op = "container.list"
	ContainerLogs    Op = "container.logs"
	ContainerStart   Op = "container.start"
	ContainerStop    Op = "container.stop"
	ContainerKill    Op = "container.kill"
	ContainerWait    Op = "container.wait"
	ContainerRemove  Op = "container.remove"
	NetworkCreate    Op = "network.create"
	NetworkList      Op = "network.list"
	NetworkRemove    Op = "network.remove"
	VolumeCreate     Op = "volume.create"
	VolumeList       Op = "volume.list"
	VolumeRemove     Op = "volume.remove"
)

// Fault is how a call goes wrong.
type Fault struct {
	kind    faultKind
	status  int
	message string
	until   <-chan struct{}
}

type faultKind int

const (
	faultFail faultKind = iota
	faultHang
	faultDelay
	faultCut
	faultDrop
	faultGarbage
	faultStream
	faultNone
)

// OK does it as ever: it is for the calls before the one that goes wrong.
func OK() Fault { return Fault{kind: faultNone} }

// Fail answers with the HTTP status and the message, and does nothing.
func Fail(status int, message string) Fault {
	return Fault{kind: faultFail, status: status, message: message}
}

// Hang does nothing and never answers.
func Hang() Fault { return Fault{kind: faultHang} }

// Delay waits for the channel to be closed, and then does it.
func Delay(until <-chan struct{}) Fault { return Fault{kind: faultDelay, until: until} }

// Cut does it, and breaks the connection in the middle of the answer.
func Cut() Fault { return Fault{kind: faultCut} }

// DropReply does it, and breaks the connection instead of answering.
func DropReply() Fault { return Fault{kind: faultDrop} }

// Garbage does nothing, and answers with something that is not the engine's.
func Garbage() Fault { return Fault{kind: faultGarbage} }

// FailStream makes a pull fail after its answer has begun, as registries' failures are told.
func FailStream(message string) Fault { return Fault{kind: faultStream, message: message} }

// route is one line of the table of the API.
type route struct {
	op     Op
	method string
	path   *regexp.Regexp
	serve  func(f *Fake, w http.ResponseWriter, r *http.Request, name string)
}

// routes is the table; the first group of a path is the name of the thing.
func routes() []route {
	at := func(op Op, method, path string, serve func(*Fake, http.ResponseWriter, *http.Request, string)) route {
		return route{op, method, regexp.MustCompile("^" + path + "$"), serve}
	}
	return []route{
		at(Info, http.MethodGet, "/info", (*Fake).info),
		at(Events, http.MethodGet, "/events", (*Fake).streamEvents),
		at(ImageInspect, http.MethodGet, "/images/(.+)/json", (*Fake).imageInspect),
		at(ImagePull, http.MethodPost, "/images/create", (*Fake).imagePull),
		at(ImageTag, http.MethodPost, "/images/(.+)/tag", (*Fake).imageTag),
		at(ImageRemove, http.MethodDelete, "/images/(.+)", (*Fake).imageRemove),
		at(ImageList, http.MethodGet, "/images/json", (*Fake).imageList),
		at(ContainerCreate, http.MethodPost, "/containers/create", (*Fake).containerCreate),
		at(ContainerList, http.MethodGet, "/containers/json", (*Fake).containerList),
		at(ContainerInspect, http.MethodGet, "/containers/([^/]+)/json", (*Fake).containerInspect),
		at(ContainerLogs, http.MethodGet, "/containers/([^/]+)/logs", (*Fake).containerLogs),
		at(ContainerStart, http.MethodPost, "/containers/([^/]+)/start", (*Fake).containerStart),
		at(ContainerStop, http.MethodPost, "/containers/([^/]+)/stop", (*Fake).containerStop),
		at(ContainerKill, http.MethodPost, "/containers/([^/]+)/kill", (*Fake).containerKill),
		at(ContainerWait, http.MethodPost, "/containers/([^/]+)/wait", (*Fake).containerWait),
		at(ContainerRemove, http.MethodDelete, "/containers/([^/]+)", (*Fake).containerRemove),
		at(NetworkCreate, http.MethodPost, "/networks/create", (*Fake).networkCreate),
		at(NetworkList, http.MethodGet, "/networks", (*Fake).networkList),
		at(NetworkRemove, http.MethodDelete, "/networks/([^/]+)", (*Fake).networkRemove),
		at(VolumeCreate, http.MethodPost, "/volumes/create", (*Fake).volumeCreate),
		at(VolumeList, http.MethodGet, "/volumes", (*Fake).volumeList),
		at(VolumeRemove, http.MethodDelete, "/volumes/([^/]+)", (*Fake).volumeRemove),
	}
}

// apiVersion is that of engine 20.10.
const apiVersion = "1.41"

// ServeHTTP is the engine's API.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", apiVersion)
	w.Header().Set("Ostype", "linux")
	if r.URL.Path == "/_ping" {
		f.spoil(w, r, Ping, func(http.ResponseWriter) {})
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v"+apiVersion)
	if !ok {
		fail(w, http.StatusBadRequest, "client version is too new. Maximum supported API version is "+apiVersion)
		return
	}
	if path == "/version" {
		// Asked beside the information, to tell engines apart.
		answer(w, http.StatusOK, map[string]any{"Components": []map[string]string{{"Name": "Engine"}}})
		return
	}
	for _, route := range routes() {
		found := route.path.FindStringSubmatch(path)
		if found == nil || route.method != r.Method {
			continue
		}
		name := ""
		if len(found) > 1 {
			name = found[1]
		}
		f.spoil(w, r, route.op, func(w http.ResponseWriter) { route.serve(f, w, r, name) })
		return
	}
	f.illegal("%s %s", r.Method, r.URL.Path)
	fail(w, http.StatusNotFound, "page not found")
}

// spoil serves op with the fault that is next for it.
func (f *Fake) spoil(w http.ResponseWriter, r *http.Request, op Op, serve func(http.ResponseWriter)) {
	f.mu.Lock()
	if op != Ping && op != Info {
		f.calls = append(f.calls, op)
	}
	var fault *Fault
	if queue := f.faults[op]; len(queue) > 0 {
		fault, f.faults[op] = &queue[0], queue[1:]
	}
	f.mu.Unlock()
	if fault == nil || fault.kind == faultNone {
		f.observed(w, op, serve)
		return
	}
	switch fault.kind {
	case faultFail:
		fail(w, fault.status, fault.message)
	case faultHang:
		f.hang(r, nil)
	case faultDelay:
		if f.hang(r, fault.until) {
			serve(w)
		}
	case faultCut, faultDrop:
		rec := httptest.NewRecorder()
		serve(rec)
		body := rec.Body.Bytes()
		if fault.kind == faultCut {
			w.WriteHeader(rec.Code)
			w.Write(body[:len(body)/2])           //nolint:errcheck // it is to be broken anyway
			http.NewResponseController(w).Flush() //nolint:errcheck // as above
		}
		panic(http.ErrAbortHandler)
	case faultGarbage:
		w.Write([]byte("<html>It works!</html>")) //nolint:errcheck // who hangs up does not want it
	case faultStream:
		answer(w, http.StatusOK, map[string]string{"status": "Pulling from somewhere", "id": "v1"})
		answer(w, http.StatusOK, map[string]any{
			"error": fault.message, "errorDetail": map[string]string{"message": fault.message},
		})
	}
}

// hang waits, and reports whether until was closed before the request or the test ended.
func (f *Fake) hang(r *http.Request, until <-chan struct{}) bool {
	select {
	case <-until:
		return true
	case <-r.Context().Done():
	case <-f.gone:
	}
	return false
}

// fail is an error as the engine answers it.
func fail(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message})
}

// answer sends one JSON value.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	var out bytes.Buffer
	json.NewEncoder(&out).Encode(value)   //nolint:errcheck // our own types
	w.Write(out.Bytes())                  //nolint:errcheck // who hangs up does not want it
	http.NewResponseController(w).Flush() //nolint:errcheck // a recorder cannot
}

// labelFilter reads the label=NAME=VALUE filters of a list.
func labelFilter(r *http.Request) func(map[string]string) bool {
	var filters map[string]map[string]bool
	json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) //nolint:errcheck // none is none
	return func(labels map[string]string) bool {
		for want := range filters["label"] {
			name, value, _ := strings.Cut(want, "=")
			if got, ok := labels[name]; !ok || got != value {
				return false
			}
		}
		return true
	}
}

func (f *Fake) info(w http.ResponseWriter, _ *http.Request, _ string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"ServerVersion": "20.10.24", "Driver": "overlay2", "CgroupDriver": "cgroupfs", "CgroupVersion": "1",
		"Runtimes": map[string]any{"runc": map[string]string{"path": "runc"}}, "DefaultRuntime": "runc",
		"LiveRestoreEnabled": true, "SecurityOptions": []string{"name=seccomp,profile=default"},
		"OSType": "linux", "Architecture": "x86_64", "NCPU": 2, "MemTotal": int64(8) << 30,
		"SystemTime": f.tickLocked().Format(timeFormat), "DockerRootDir": "/var/lib/docker",
	})
}
