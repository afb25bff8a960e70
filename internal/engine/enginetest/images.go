package enginetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const timeFormat = time.RFC3339Nano

// Image is an image that the fake has, or that its registry has.
type Image struct {
	Architecture string
	Variant      string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      []string
	Labels       map[string]string
	// Seed makes images differ that are otherwise equal.
	Seed string
}

// id is the same for the same image.
func (i Image) id() string {
	text, _ := json.Marshal(i) //nolint:errcheck // strings only
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

type fakeImage struct {
	Image
	id      string
	digests []string
}

// fullName is a reference as the fake keeps it; docker.io's short forms are not needed in tests.
func fullName(ref string) string {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/")
	if i := strings.LastIndexByte(ref, ':'); i < 0 || strings.Contains(ref[i:], "/") {
		ref += ":latest"
	}
	return ref
}

// Have gives the fake an image under the name, as `docker load` does, and returns its id.
func (f *Fake) Have(ref string, img Image) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.storeLocked(fullName(ref), img, "")
}

// Publish puts the image, one for each architecture, into the registry that the fake pulls from.
func (f *Fake) Publish(ref string, images ...Image) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registry[fullName(ref)] = images
}

func (f *Fake) storeLocked(name string, img Image, digest string) string {
	id := img.id()
	if f.images[id] == nil {
		f.images[id] = &fakeImage{Image: img, id: id}
	}
	if digest != "" && !slices.Contains(f.images[id].digests, digest) {
		f.images[id].digests = append(f.images[id].digests, digest)
	}
	f.tags[name] = id
	return id
}

// findImageLocked finds by name or id.
func (f *Fake) findImageLocked(ref string) *fakeImage {
	if img := f.images[ref]; img != nil {
		return img
	}
	return f.images[f.tags[fullName(ref)]]
}

func (f *Fake) imageInspect(w http.ResponseWriter, _ *http.Request, ref string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	img := f.findImageLocked(ref)
	if img == nil {
		fail(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	volumes := map[string]struct{}{}
	for _, path := range img.Volumes {
		volumes[path] = struct{}{}
	}
	answer(w, http.StatusOK, map[string]any{
		"Id": img.id, "RepoDigests": img.digests, "Os": "linux", "Architecture": img.Architecture, "Variant": img.Variant,
		"Size": 1000, "Config": map[string]any{
			"Env": img.Env, "Entrypoint": img.Entrypoint, "Cmd": img.Cmd, "Volumes": volumes, "Labels": img.Labels,
		},
	})
}

// imagePull does what 20.10 does: it takes the platform that was asked for, and another one if there is just one.
func (f *Fake) imagePull(w http.ResponseWriter, r *http.Request, _ string) {
	query := r.URL.Query()
	name := fullName(query.Get("fromImage") + ":" + query.Get("tag"))
	f.mu.Lock()
	images := f.registry[name]
	f.mu.Unlock()
	if len(images) == 0 {
		fail(w, http.StatusNotFound, "manifest for "+name+" not found: manifest unknown: manifest unknown")
		return
	}
	i := slices.IndexFunc(images, func(img Image) bool {
		parts := strings.Split(query.Get("platform"), "/")
		return len(parts) > 1 && img.Architecture == parts[1]
	})
	if i < 0 && len(images) > 1 {
		fail(w, http.StatusNotFound,
			"no matching manifest for "+query.Get("platform")+" in the manifest list entries")
		return
	}
	img := images[max(i, 0)]
	for _, message := range []string{"Pulling fs layer", "Download complete", "Pull complete"} {
		answer(w, http.StatusOK, map[string]string{"status": message, "id": img.id()[7:19]})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	repository := name[:strings.LastIndexByte(name, ':')]
	f.storeLocked(name, img, repository+"@"+img.id())
}

func (f *Fake) imageTag(w http.ResponseWriter, r *http.Request, ref string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	img := f.findImageLocked(ref)
	if img == nil {
		fail(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	f.tags[fullName(r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag"))] = img.id
	w.WriteHeader(http.StatusCreated)
}

func (f *Fake) imageRemove(w http.ResponseWriter, r *http.Request, ref string) {
	if r.URL.Query().Get("force") == "1" {
		f.illegal("forced removal of image %s", ref)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fullName(ref)
	id, ok := f.tags[name]
	if !ok {
		fail(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	delete(f.tags, name)
	named := false
	for _, other := range f.tags {
		named = named || other == id
	}
	if !named {
		delete(f.images, id)
	}
	answer(w, http.StatusOK, []map[string]string{{"Untagged": name}})
}

func (f *Fake) imageList(w http.ResponseWriter, r *http.Request, _ string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var filters struct {
		Reference map[string]bool `json:"reference"`
	}
	json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters) //nolint:errcheck // none is none
	list := []map[string]any{}
	for name, id := range f.tags {
		for pattern := range filters.Reference {
			if strings.HasPrefix(name, strings.TrimSuffix(pattern, "*")) {
				list = append(list, map[string]any{"Id": id, "RepoTags": []string{name}})
			}
		}
	}
	answer(w, http.StatusOK, list)
}
