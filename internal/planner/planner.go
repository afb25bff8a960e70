// Package planner gathers what a plan depends on (the template, the vfolders, the machine) and resolves it.
package planner

import (
	"context"
	"maps"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/launch"
	"agentd/internal/plan"
	"agentd/internal/supervisor"
	"agentd/internal/template"
)

// templates finds a template as its caller.
type templates interface {
	// Document returns a revision (0: the newest), for its owner with its literal secrets.
	Document(
		ctx context.Context, caller identity.Caller, ref string, revision int,
	) (template.Revision, template.Template, error)
}

// folders finds vfolders.
type folders interface {
	Path(owner uint32, name string) (string, error)
}

// machine tells what this host can do.
type machine interface {
	// Slots are what there is to give; Platforms, the OCI architectures that run here, the native one first.
	Slots(ctx context.Context) (map[string]int64, error)
	Platforms(ctx context.Context) ([]string, error)
}

// Options are what a [Planner] needs.
type Options struct {
	Templates templates
	Folders   folders
	Machine   machine
	Agent     plan.Agent
	Policy    plan.Policy
	// Fixed is the user that every session runs as, by the configuration; nil for the caller.
	Fixed *plan.User
}

// Planner is safe for concurrent use.
type Planner struct {
	o Options

	// mu guards policy: a reload of the configuration replaces it.
	mu     sync.RWMutex
	policy plan.Policy
}

// New returns a planner.
func New(o Options) *Planner { return &Planner{o: o, policy: o.Policy} }

// SetPolicy replaces the policy, for a reload of the configuration.
func (p *Planner) SetPolicy(policy plan.Policy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policy = policy
}

// Resolve makes the plan of a request, and collects the secrets that go with it: those that came with the request, and
// the template's literals where it brings none.
func (p *Planner) Resolve(
	ctx context.Context, caller identity.Caller, req supervisor.Request,
) (plan.Resolved, launch.Secrets, error) {
	if req.Again != nil {
		return p.again(ctx, caller, req)
	}
	rev, tpl, err := p.o.Templates.Document(ctx, caller, req.Template, req.Revision)
	if err != nil {
		return plan.Resolved{}, launch.Secrets{}, err
	}
	facts, err := p.facts(ctx, caller, tpl, req.Overrides)
	if err != nil {
		return plan.Resolved{}, launch.Secrets{}, err
	}
	ref := plan.TemplateRef{ID: rev.ID, Name: rev.Name, Revision: rev.Number, Owner: rev.Owner}
	resolved, err := plan.Resolve(plan.Input{Ref: ref, Template: tpl, Overrides: req.Overrides, Facts: facts})
	if err != nil {
		return plan.Resolved{}, launch.Secrets{}, err
	}
	secrets, err := credential(req.Secrets, tpl)
	return resolved, secrets, err
}

// credential fills in the template's own git credential where the request brings none. A reference that ctl has not
// resolved is an error: it is resolved as the caller, or not at all.
func credential(s launch.Secrets, tpl template.Template) (launch.Secrets, error) {
	git := tpl.Spec.Kernel.Git
	if git == nil || git.Credential == nil {
		return s, nil
	}
	for _, field := range []struct {
		name, written string
		value         *string
	}{
		{"username", git.Credential.Username, &s.GitUsername},
		{"password", git.Credential.Password, &s.GitPassword},
	} {
		if *field.value != "" {
			continue
		}
		if field.written == template.Marker {
			return s, errs.New(errs.Forbidden, "the template's git %s is its owner's secret", field.name).
				WithHint("copy the template, and write a credential of your own")
		}
		if _, isReference, err := template.ParseReference(field.written); isReference || err != nil {
			return s, errs.New(errs.Invalid, "the git credential's %s, %s, was not resolved by who launches", field.name,
				field.written).WithHint("launch with ctl, which reads it as you")
		}
		*field.value = field.written
	}
	return s, nil
}

// facts gathers what the plan depends on beside the template.
func (p *Planner) facts(
	ctx context.Context, caller identity.Caller, tpl template.Template, o plan.Overrides,
) (plan.Facts, error) {
	slots, err := p.o.Machine.Slots(ctx)
	if err != nil {
		return plan.Facts{}, err
	}
	platforms, err := p.o.Machine.Platforms(ctx)
	if err != nil {
		return plan.Facts{}, err
	}
	found, err := p.vfolders(caller.UID, tpl, o)
	if err != nil {
		return plan.Facts{}, err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return plan.Facts{
		Agent: p.o.Agent, Caller: p.caller(caller), Policy: p.policy, VFolders: found, Slots: slots, Platforms: platforms,
	}, nil
}

// vfolders looks up only those that the template and the overrides name.
func (p *Planner) vfolders(owner uint32, tpl template.Template, o plan.Overrides) (map[string]plan.VFolder, error) {
	names := map[string]bool{}
	for _, m := range tpl.Spec.Mounts {
		names[m.Key] = true
	}
	for key := range o.Mounts {
		names[key] = true
	}
	found := map[string]plan.VFolder{}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name, _, _ := strings.Cut(key, "/")
		if filepath.IsAbs(key) {
			continue
		}
		path, err := p.o.Folders.Path(owner, name)
		switch {
		case err == nil:
			found[name] = plan.VFolder{Path: path}
		case !errs.Is(err, errs.NotFound):
			return nil, err
		}
	}
	return found, nil
}

// rootCapabilities are what root's own sessions keep: without them root cannot read a user's file in its own scratch.
func rootCapabilities() []string {
	return []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}
}

// caller is whom the session runs as. Name and home come from the user database; one without an entry there has none.
func (p *Planner) caller(c identity.Caller) plan.Caller {
	who := plan.Caller{User: plan.User{UID: c.UID, GID: c.GID, Groups: slices.Clone(c.Groups)}}
	slices.Sort(who.User.Groups)
	if c.UID == 0 {
		who.User.Capabilities = rootCapabilities()
	}
	if p.o.Fixed != nil {
		who.User = *p.o.Fixed
	}
	who.Name = strconv.FormatUint(uint64(c.UID), 10)
	if u, err := user.LookupId(who.Name); err == nil {
		who.Name, who.Home = u.Username, u.HomeDir
	}
	return who
}
