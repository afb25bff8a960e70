// Package checkout makes the clone that a plan asks for: a normal Git repository with its work tree, written by code of
// ours that can be canceled and is bounded in bytes, files, memory and time, from objects that go-git has fetched.
//
// [Run] runs as the caller, inside a helper's child; [Operation] is its entry in the helper's table, and [Client] is the
// other end, in agentd. Nothing of a repository is ever executed, no symbolic link of it is ever followed, and a
// credential goes to the one host that it was given for and into no file, log, error or URL.
package checkout

import (
	"context"
	"errors"
	"time"

	"agentd/internal/plan"
)

// Request is all that [Run] needs to know; it travels by pipe.
type Request struct {
	// Act is what to do: the zero value makes the clone.
	Act        Act           `json:"act,omitempty"`
	Checkout   plan.Checkout `json:"checkout"`
	Credential *Credential   `json:"credential,omitempty"`
	SSH        SSH           `json:"ssh"`
	// Root is an absolute directory of the caller's that is there. Dir is the clone's path beneath it: it must not be
	// there yet, or be an empty directory. Nothing is seen at Dir before the clone is complete.
	Root string `json:"root"`
	Dir  string `json:"dir"`
	// Attempt names this try; the work is done in Root, in a directory of that name.
	Attempt string `json:"attempt"`
	// Schemes are the schemes that the configuration allows, such as https and ssh.
	Schemes []string `json:"schemes"`
	Limits  Limits   `json:"limits"`
	Cache   Cache    `json:"cache,omitzero"`
	// InsteadOf maps beginnings of URLs to what replaces them, for submodules; the plan did it for the repository itself.
	InsteadOf map[string]string `json:"instead_of,omitempty"`
	// CABundle holds PEM certificates to trust beside the system's; empty for none.
	CABundle []byte `json:"ca_bundle,omitempty"`
}

// Act is what a request asks for.
type Act string

// The acts. A clone that is complete carries the name of its attempt until Confirm takes that off, so that Undo can tell
// it from what was there before.
const (
	Confirm Act = "confirm"
	// Undo removes what the attempt made, complete or not. It is safe twice, and without the attempt.
	Undo Act = "undo"
)

// Credential is a login by HTTP. It is sent to the scheme, host and port of the repository's URL only.
type Credential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// SSH is what of the caller's own SSH set-up is used. All of it is optional.
type SSH struct {
	// AgentSocket is the caller's SSH_AUTH_SOCK.
	AgentSocket string `json:"agent_socket,omitempty"`
	// KnownHosts are files in the format of OpenSSH; those that are not there are passed over.
	KnownHosts []string `json:"known_hosts,omitempty"`
	// Keys are private keys, tried in order; those that are not there, or have a passphrase, are passed over.
	Keys []string `json:"keys,omitempty"`
	// Config is a file in the format of ssh_config(5); HostName, Port, User and IdentityFile are used.
	Config string `json:"config,omitempty"`
}

// SSHOf is the usual set-up of a user with that home directory and SSH_AUTH_SOCK; either may be empty.
func SSHOf(home, agentSocket string) SSH {
	s := SSH{AgentSocket: agentSocket, KnownHosts: []string{"/etc/ssh/ssh_known_hosts"}}
	if home == "" {
		return s
	}
	dir := home + "/.ssh/"
	s.Config = dir + "config"
	s.KnownHosts = append([]string{dir + "known_hosts", dir + "known_hosts2"}, s.KnownHosts...)
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		s.Keys = append(s.Keys, dir+"id_"+kind)
	}
	return s
}

// Limits bound a clone, submodules included. 0 means the default.
type Limits struct {
	// Bytes bounds what is written, work tree and repository together; the default is 20 GiB.
	Bytes int64 `json:"bytes,omitempty"`
	// Files bounds the number of files, links and directories; the default is 2 million.
	Files int64 `json:"files,omitempty"`
	// MemoryBytes is the helper's limit of memory; the default is 512 MiB. What is kept in memory is fitted to it.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// Stall bounds the time without a byte from the host; the default is a minute.
	Stall time.Duration `json:"stall,omitempty"`
	// Timeout bounds the whole; the default is 30 minutes.
	Timeout time.Duration `json:"timeout,omitempty"`
}

func (l Limits) withDefaults() Limits {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Bytes, 20<<30)
	set(&l.Files, 2_000_000)
	set(&l.MemoryBytes, 512<<20)
	set((*int64)(&l.Stall), int64(time.Minute))
	set((*int64)(&l.Timeout), int64(30*time.Minute))
	return l
}

// Phase is a part of the work.
type Phase string

// The phases, in order. With submodules they come again for each.
const (
	Connecting Phase = "connecting"
	Receiving  Phase = "receiving"
	Resolving  Phase = "resolving"
	Writing    Phase = "writing"
)

// Progress is said when a phase begins, a few times a second while it lasts, and when it ends.
type Progress struct {
	Phase Phase `json:"phase"`
	// Repository is the one at work: the plan's, or a submodule's.
	Repository string `json:"repository"`
	// Done and Total count objects (receiving), differences (resolving), files (writing); Total is 0 if unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Bytes counts what was received, or written to files.
	Bytes int64 `json:"bytes"`
}

// Result is what was made.
type Result struct {
	// Commit is the full hash that HEAD is at; the objects it consists of were verified by their hashes.
	Commit string `json:"commit"`
	// Branch is what HEAD is on; empty if it is detached, as it is for a commit or a tag.
	Branch string `json:"branch,omitempty"`
	// Shallow is true if not the whole history is there.
	Shallow bool `json:"shallow,omitempty"`
	// Files and Bytes count what was written, submodules included; ReceivedBytes came over the network.
	Files         int64 `json:"files"`
	Bytes         int64 `json:"bytes"`
	ReceivedBytes int64 `json:"received_bytes"`
	// Origin says how the objects came, and Copied how the clone got them from the cache; both are empty without one.
	Origin string `json:"origin,omitempty"`
	Copied string `json:"copied,omitempty"`
	// Submodules are the paths of those that were fetched.
	Submodules []string `json:"submodules,omitempty"`
	// Warnings are sentences about what a person may miss in the clone.
	Warnings []string `json:"warnings,omitempty"`
}

// Hooks are what [Run] needs from around it.
type Hooks struct {
	// Remove removes a tree beneath root without following links or entering mounts; required.
	Remove func(root, path string) error
	// Report, if set, is told of progress, from one goroutine at a time.
	Report func(Progress)
}

// Run makes the clone, or leaves nothing. Errors are *errs.Error and name the repository, the step and the cause:
// errs.NotFound (no such repository, branch, commit), errs.Ambiguous (an abbreviated commit), errs.Forbidden (login
// refused, scheme not allowed, host key unknown), errs.Unavailable (the host does not answer, or what it sends is
// broken), errs.Timeout, errs.Canceled, errs.TooLarge, errs.NoSpace, errs.Invalid (a repository that no clone can be
// made of), errs.Conflict (Dir is there).
func Run(ctx context.Context, req Request, hooks Hooks) (Result, error) {
	req.Limits = req.Limits.withDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, req.Limits.Timeout, errTimeout)
	defer cancel()
	res, j, err := attemptOnce(ctx, req, hooks)
	if j.mend(err, hooks.Remove) {
		// What was damaged has left the cache: this fetches it again.
		res, j, err = attemptOnce(ctx, req, hooks)
	}
	if err == nil && (j.origin == FromHost || j.origin == FromUpdatedCache) {
		if over := req.evict(hooks.Remove); over != nil {
			res.Warnings = append(res.Warnings, "the cache of repositories could not be kept within its budget: "+
				clean(plain(over), 300))
		}
	}
	return res, err
}

// attemptOnce makes the clone, or leaves nothing but what it has added to the cache.
func attemptOnce(ctx context.Context, req Request, hooks Hooks) (Result, *job, error) {
	j := newJob(req, hooks.Report)
	main, err := j.source(req.Checkout)
	if err != nil {
		return Result{}, j, err
	}
	st, err := stage(req)
	if err != nil {
		return Result{}, j, j.explain(ctx, main, "prepare the directory", err)
	}
	defer st.close()
	made, err := j.clone(ctx, st, main)
	if err == nil {
		err = in("publish the directory", st.publish())
	}
	if err != nil {
		j.fault = j.fault || cacheFault(err)
		err = j.explain(ctx, main, "clone", err)
		if undo := st.undo(hooks.Remove); undo != nil {
			return Result{}, j, errors.Join(err, undo)
		}
		return Result{}, j, err
	}
	return j.result(made), j, nil
}

// clone makes the repository and its submodules in the staging directory.
func (j *job) clone(ctx context.Context, st *staging, main source) (*made, error) {
	m, err := j.build(ctx, st.dir, st.path, main, aimOf(j.req.Checkout))
	if err != nil || !j.req.Checkout.Submodules {
		return m, err
	}
	return m, j.submodules(ctx, top{st.dir, st.path}, place{work: ".", git: ".git"}, main, m)
}

// stepError is an error with the step that it happened in.
type stepError struct {
	step string
	err  error
}

func (s *stepError) Error() string { return s.step + ": " + s.err.Error() }
func (s *stepError) Unwrap() error { return s.err }

// in names the step of an error; a step that was named further in stays.
func in(step string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*stepError); ok { //nolint:errorlint // only the outermost counts
		return err
	}
	return &stepError{step, err}
}
