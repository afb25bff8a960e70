package enginetest

import (
	"encoding/json"
	"net/http"
	"strings"
)

type fakeNetwork struct {
	Name    string            `json:"Name"`
	ID      string            `json:"Id"`
	Driver  string            `json:"Driver"`
	Options map[string]string `json:"Options"`
	Labels  map[string]string `json:"Labels"`
}

func (f *Fake) networkCreate(w http.ResponseWriter, r *http.Request, _ string) {
	var n fakeNetwork
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.networks[n.Name] != nil {
		fail(w, http.StatusConflict, "network with name "+n.Name+" already exists")
		return
	}
	n.ID = f.newIDLocked()
	f.networks[n.Name] = &n
	answer(w, http.StatusCreated, map[string]string{"Id": n.ID})
}

func (f *Fake) networkList(w http.ResponseWriter, r *http.Request, _ string) {
	var filters struct {
		Name map[string]bool `json:"name"`
	}
	json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) //nolint:errcheck // none is none
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []*fakeNetwork{}
	for _, n := range f.networks {
		for part := range filters.Name {
			if strings.Contains(n.Name, part) {
				list = append(list, n)
			}
		}
	}
	answer(w, http.StatusOK, list)
}

func (f *Fake) networkRemove(w http.ResponseWriter, _ *http.Request, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.networks[name] == nil {
		fail(w, http.StatusNotFound, "No such network: "+name)
		return
	}
	delete(f.networks, name)
	w.WriteHeader(http.StatusNoContent)
}

type fakeVolume struct {
	name    string
	labels  map[string]string
	options map[string]string
}

func (v *fakeVolume) json() map[string]any {
	return map[string]any{"Name": v.name, "Driver": "local", "Labels": v.labels, "Options": v.options}
}

func (f *Fake) volumeCreate(w http.ResponseWriter, r *http.Request, _ string) {
	var body struct {
		Name       string
		Labels     map[string]string
		DriverOpts map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.volumes[body.Name] == nil {
		f.volumes[body.Name] = &fakeVolume{body.Name, body.Labels, body.DriverOpts}
	}
	answer(w, http.StatusCreated, f.volumes[body.Name].json())
}

func (f *Fake) volumeList(w http.ResponseWriter, r *http.Request, _ string) {
	matches := labelFilter(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []map[string]any{}
	for _, v := range f.volumes {
		if matches(v.labels) {
			list = append(list, v.json())
		}
	}
	answer(w, http.StatusOK, map[string]any{"Volumes": list})
}

func (f *Fake) volumeRemove(w http.ResponseWriter, r *http.Request, name string) {
	if r.URL.Query().Get("force") == "1" {
		f.illegal("forced removal of the volume %s", name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.volumes[name] == nil {
		fail(w, http.StatusNotFound, "get "+name+": no such volume")
		return
	}
	delete(f.volumes, name)
	w.WriteHeader(http.StatusNoContent)
}
