package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"agentd/internal/errs"
)

// Probe is what a look into an image found. All of it is the image's own claim: its shell has run beside the probe.
type Probe struct {
	// Passwd and Group are the image's /etc/passwd and /etc/group; nil if it has none, cut off at 16 KiB.
	Passwd []byte `json:"passwd,omitempty"`
	Group  []byte `json:"group,omitempty"`
	// Shell is /bin/sh.
	Shell Program `json:"shell"`
	// Path is the PATH that the image sets; empty if it sets none.
	Path string `json:"path,omitempty"`
	// Leads has where the places that agentd mounts at lead by links of the image, if not to themselves; "" is nowhere.
	Leads map[string]string `json:"leads,omitempty"`
}

// Program says whether a program of the image is there and runs on this machine.
type Program struct {
	Present bool `json:"present"`
	Runs    bool `json:"runs"`
	// Errno is the name of the error of its start, such as ENOEXEC: a program for another machine; or ENOENT although it is
	// present: its loader is missing.
	Errno string `json:"errno,omitempty"`
	// Error is the error in words, or how it ended.
	Error string `json:"error,omitempty"`
}

const (
	// probeTarget is where the probe program is bound.
	probeTarget = "/.agentd/probe"
	// probeTimeout bounds the whole of a probe; the program bounds the shell by itself.
	probeTimeout = time.Minute
	// probeOutput bounds what is read of the answer: two files of 16 KiB in base64, and the rest.
	probeOutput = 1 << 20
)

// Probe looks into the image with the program at path, agentd's imageprobe, which must be readable by all: in a container
// with no network, no capabilities and no user, that is gone afterwards. Nothing is read through the engine's archive API,
// which may run code of the image on the host.
//
// The labels say whose the container is, and name is its name, should agentd be killed meanwhile: see [ProbeName].
func (e *Engine) Probe(ctx context.Context, img Image, path, name string, labels Labels) (Probe, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	spec := Spec{
		Name: name, Image: img, Labels: labels,
		User: "65534:65534", Hostname: "probe", Entrypoint: []string{probeTarget}, Network: NetworkNone, ReadOnlyRoot: true,
		Mounts: []Mount{{Kind: MountBind, Source: path, Target: probeTarget, ReadOnly: true}},
		Limits: Limits{MemoryBytes: 64 << 20, Pids: 32, NanoCPUs: 1e9},
	}
	found, err := e.probe(ctx, spec)
	if err != nil {
		return Probe{}, errs.New(errs.CodeOf(err), "look into image %s: %w", img.ID, err)
	}
	found.Path = pathOf(img.Config.Env)
	return found, nil
}

// probe runs the container of spec and reads its answer.
func (e *Engine) probe(ctx context.Context, spec Spec) (found Probe, err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		// By name: the answer to the creation may have been lost.
		if gone := e.Remove(ctx, spec.Name); err == nil {
			err = gone
		}
	}()
	if _, err := e.Create(ctx, spec); err != nil {
		return Probe{}, err
	}
	if err := e.Start(ctx, spec.Name); err != nil {
		return Probe{}, err
	}
	c, err := e.Wait(ctx, spec.Name)
	if err != nil {
		return Probe{}, err
	}
	stdout, stderr, err := e.Output(ctx, spec.Name, probeOutput)
	if err != nil {
		return Probe{}, err
	}
	line, _, _ := strings.Cut(string(stdout), "\n")
	if err := json.Unmarshal([]byte(line), &found); err != nil || c.ExitCode != 0 {
		return Probe{}, errs.New(errs.Unsupported, "the probe ended with %d and said %q, %q",
			c.ExitCode, head(stdout), head(stderr))
	}
	return found, nil
}

// probePrefix begins the names of probes' containers.
const probePrefix = "agentd-probe-"

// ProbeName is a new name for the container of a probe, which is no session's.
func ProbeName() string { return probePrefix + strings.ToLower(rand.Text()[:12]) }

// IsProbe reports whether a container's name is one of [ProbeName].
func IsProbe(name string) bool { return strings.HasPrefix(name, probePrefix) }

// head is the beginning of a text, for an error.
func head(text []byte) string { return string(text[:min(len(text), 200)]) }

// pathOf is the value of PATH in an environment.
func pathOf(env []string) string {
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			return value
		}
	}
	return ""
}
