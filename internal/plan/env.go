package plan

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// HomeDir is HOME and the working directory of every session.
const HomeDir = "/home/work"

// defaultPath is the PATH of an image that sets none, as the engine's.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// env merges agent < template < flags, key by key. The image's part comes when the image is known.
func (r *resolver) env() {
	merged := maps.Clone(r.in.Facts.Policy.Env)
	if merged == nil {
		merged = map[string]string{}
	}
	for name := range merged {
		r.from("env."+name, FromAgent)
	}
	if !r.in.Overrides.NoEnv {
		for _, v := range r.in.Template.Spec.Kernel.Environ {
			merged[v.Name] = r.filled("environ."+v.Name, v.Value)
			r.from("env."+v.Name, FromTemplate)
		}
	}
	for name, value := range r.in.Overrides.Env {
		if !envName.MatchString(name) {
			r.wrong("environ."+name, "env-name", "an environment variable's name has letters, digits and '_' only")
			continue
		}
		if value == nil {
			delete(merged, name)
			delete(r.sources, "env."+name)
			continue
		}
		merged[name] = *value
		r.from("env."+name, FromFlag)
	}
	r.plan.Env = sortedEnv(merged)
}

func sortedEnv(m map[string]string) []Variable {
	list := make([]Variable, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, Variable{Name: name, Value: m[name]})
	}
	return list
}

// Identity is what the session knows of itself through its environment, under upstream's names.
type Identity struct {
	SessionID string
	UserName  string
	ImageID   string
	// ArrayID is empty for a session of its own; ArrayIndex and ArrayCount are its number in an array, and how many there
	// are.
	ArrayID                string
	ArrayIndex, ArrayCount int
	// Attempt counts from 1.
	Attempt int
}

// Environment is the whole environment of the session's processes: image < agent < template < flags, and ours above all.
// imageEnv is NAME=VALUE as in the image's configuration.
func (p Plan) Environment(imageEnv []string, id Identity) []Variable {
	merged := map[string]string{"LANG": "C.UTF-8"}
	for _, kv := range imageEnv {
		if name, value, ok := strings.Cut(kv, "="); ok {
			merged[name] = value
		}
	}
	for _, v := range p.Env {
		merged[v.Name] = v.Value
	}
	merged["PATH"] = HomeDir + "/.local/bin:" + cmp.Or(merged["PATH"], defaultPath)
	merged["HOME"] = HomeDir
	merged["USER"] = "work"
	merged["LOGNAME"] = "work"
	targets := make([]string, 0, len(p.Mounts))
	for _, m := range p.Mounts {
		targets = append(targets, m.Target)
	}
	maps.Copy(merged, map[string]string{
		"BACKENDAI_SESSION_ID":         id.SessionID,
		"BACKENDAI_SESSION_NAME":       p.Name,
		"BACKENDAI_KERNEL_ID":          id.SessionID,
		"BACKENDAI_KERNEL_IMAGE":       p.Image.Reference,
		"BACKENDAI_USER_NAME":          id.UserName,
		"BACKENDAI_CLUSTER_SIZE":       "1",
		"BACKENDAI_CLUSTER_ROLE":       "main",
		"BACKENDAI_CLUSTER_IDX":        "1",
		"BACKENDAI_CLUSTER_HOST":       "main1",
		"BACKENDAI_CLUSTER_HOSTS":      "main1",
		"BACKENDAI_CLUSTER_REPLICAS":   "main:1",
		"BACKENDAI_CLUSTER_LOCAL_RANK": "0",
		"BACKENDAI_PERSISTENT_PATHS":   strings.Join(targets, ":"),
	})
	if id.ArrayID != "" {
		maps.Copy(merged, map[string]string{
			"BACKENDAI_ARRAY_ID":    id.ArrayID,
			"BACKENDAI_ARRAY_INDEX": strconv.Itoa(id.ArrayIndex),
			"BACKENDAI_ARRAY_COUNT": strconv.Itoa(id.ArrayCount),
		})
	}
	if id.Attempt > 1 {
		merged["BACKENDAI_ATTEMPT"] = strconv.Itoa(id.Attempt)
	}
	return sortedEnv(merged)
}
