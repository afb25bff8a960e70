package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"agentd/internal/beneath"
	"agentd/internal/errs"
)

// Environment of the container's config, which names the session while agentd-init has no job yet.
const (
	EnvSession = "AGENTD_SESSION"
	EnvNonce   = "AGENTD_NONCE"
)

// Defaults and limits.
const (
	DefaultStopGrace   = 10 * time.Second
	DefaultLogMaxBytes = 50 << 20
	// MinLogMaxBytes is the least bound of a log that is kept; a smaller wish gets this.
	MinLogMaxBytes = 256 << 10
	// MaxFileBytes bounds the job file.
	MaxFileBytes = 2 << 20
	// MaxResultBytes bounds a result file.
	MaxResultBytes = 4 << 10
)

// BeginName is the file with the step's [Result] when it has begun.
func BeginName(step string) string { return step + ".begin.json" }

// EndName is the file with the step's [Result] when it has ended.
func EndName(step string) string { return step + ".end.json" }

// TempName is what a file with a result is called until it is whole; one that is there from a step's begin to its end
// holds the room for its result.
func TempName(name string) string { return "." + name + ".tmp" }

// Check returns an error of code invalid for a job that cannot be run.
func (j *Job) Check() error {
	seen := map[string]bool{}
	switch {
	case j.Version != Version:
		return errs.New(errs.Unsupported, "job of version %d, this agentd-init knows %d", j.Version, Version)
	case !filepath.IsAbs(j.Dir):
		return errs.New(errs.Invalid, "job: dir %q is not absolute", j.Dir)
	case j.StopGrace < 0 || j.LogMaxBytes < 0:
		return errs.New(errs.Invalid, "job: negative stop_grace or log_max_bytes")
	}
	for _, e := range j.Env {
		if i := strings.IndexByte(e, '='); i < 1 || strings.IndexByte(e, 0) >= 0 {
			return errs.New(errs.Invalid, "job: env entry without a name, or with a NUL byte")
		}
	}
	for _, s := range j.Steps {
		if !plainWord(s.Name) || seen[s.Name] {
			return errs.New(errs.Invalid, "job: step name %q is not a plain word, or there twice", s.Name)
		}
		seen[s.Name] = true
		if len(s.Argv) == 0 || s.Argv[0] == "" || s.Timeout < 0 {
			return errs.New(errs.Invalid, "job: step %s has no command, or a negative timeout", s.Name)
		}
	}
	return nil
}

// Parse reads a job and checks it.
func Parse(data []byte) (*Job, error) {
	var j Job
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, errs.New(errs.Invalid, "job: %w", err)
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	return &j, nil
}

// ReadResult reads one result file of a session's directory, which is hostile ground: the file is the session's own
// claim, at most [MaxResultBytes] are read, and no link is followed. The error is of code not_found if there is none,
// and damaged if it is not a result.
func ReadResult(dir *os.File, name string) (Result, error) {
	data, err := beneath.ReadFile(dir, name, MaxResultBytes)
	if errors.Is(err, os.ErrNotExist) {
		return Result{}, errs.New(errs.NotFound, "no result: %w", err)
	}
	if err != nil {
		return Result{}, errs.New(errs.Damaged, "result: %w", err)
	}
	var r Result
	if err := json.Unmarshal(data, &r); err != nil {
		return Result{}, errs.New(errs.Damaged, "result %s: %w", name, err)
	}
	return r, nil
}

// Marshal is the text of a result file.
func (r Result) Marshal() ([]byte, error) {
	const most = MaxResultBytes / 8
	if len(r.Error) > most { // escaped, a byte takes up to six
		r.Error = r.Error[:most]
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("result of step %s: %w", r.Step, err)
	}
	return append(data, '\n'), nil
}

// plainWord holds for what may become part of a file name: a lower-case letter, then up to 31 of them, digits, dashes.
func plainWord(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}
