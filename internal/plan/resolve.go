package plan

import (
	"fmt"
	"slices"
	"strings"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// Input is all that a plan is made from.
type Input struct {
	Ref       TemplateRef
	Template  template.Template
	Overrides Overrides
	Facts     Facts
}

// Resolve makes the plan. It is pure: it touches no disk, no clock and no network. All that is wrong with the input is
// told at once (errs.Invalid); what the agent refuses is errs.Forbidden, errs.Unsupported or errs.NotFound.
func Resolve(in Input) (Resolved, error) {
	r := &resolver{in: in, sources: map[string]Source{}}
	r.plan.Template = in.Ref
	r.placement()
	r.params()
	r.identity()
	r.image()
	r.env()
	r.checkout()
	r.mounts()
	r.limits()
	r.steps()
	r.retry()
	r.policy()
	if r.refused != nil {
		return Resolved{}, r.refused
	}
	if len(r.problems) > 0 {
		return Resolved{}, &errs.Error{
			Code: errs.Invalid, Message: fmt.Sprintf("template %q cannot be launched like this", in.Ref.Name),
			Problems: r.problems,
		}
	}
	caller := in.Facts.Caller
	return Resolved{Plan: r.plan, Provenance: r.provenance(), OwnerName: caller.Name, Home: caller.Home}, nil
}

// placement refuses a template that is for another agent.
func (r *resolver) placement() {
	spec, agent := r.in.Template.Spec, r.in.Facts.Agent
	group := pick(r, "scaling_group", r.in.Overrides.ScalingGroup, spec.ScalingGroup)
	if group != "" && group != agent.ScalingGroup {
		r.refuse(errs.New(errs.Unsupported, "template %q wants scaling group %q; this agent, %s, is in %q",
			r.in.Ref.Name, group, agent.ID, agent.ScalingGroup).
			WithHint("launch it with --scaling-group %s, or set agent.scaling_group in the config", agent.ScalingGroup))
	}
	if len(spec.AgentList) > 0 && !slices.Contains(spec.AgentList, agent.ID) {
		r.refuse(errs.New(errs.Unsupported, "template %q is for the agents %s; this one is %s",
			r.in.Ref.Name, strings.Join(spec.AgentList, ", "), agent.ID).
			WithHint("take spec.agent_list out of the template, or add %q to it", agent.ID))
	}
}

// identity is the session's name, tag, type and user.
func (r *resolver) identity() {
	o, t := r.in.Overrides, r.in.Template
	r.plan.Name = o.Name
	if o.Name != "" {
		r.from("name", FromFlag)
		r.wrongErr("name", "session-name", CheckSessionName(o.Name))
	} else {
		r.from("name", FromDefault)
		r.plan.Name = SessionName(t.Metadata.Name)
	}
	r.plan.Tag = pick(r, "tag", o.Tag, t.Metadata.Tag)
	r.plan.Type = pick(r, "type", set(o.Type), string(t.Spec.Type))
	if r.plan.Type != string(template.Interactive) && r.plan.Type != string(template.Batch) {
		r.wrong("type", "session-type", fmt.Sprintf("%q is not a type of this agent: want interactive or batch", r.plan.Type))
	}
	r.plan.User = r.in.Facts.Caller.User
	r.from("user", FromPolicy)
}

// policy is what only the configuration decides.
func (r *resolver) policy() {
	p, x := r.in.Facts.Policy, r.in.Template.Extension
	r.plan.Network = p.Network
	r.from("network", FromPolicy)
	if x.Network == template.NetworkNone || p.Network == "" {
		r.plan.Network = template.NetworkNone
		r.from("network", FromTemplate)
	}
	r.plan.Keep = p.KeepFiles
	r.from("keep", FromPolicy)
	if x.Scratch.Keep > 0 {
		r.plan.Keep = x.Scratch.Keep
		r.from("keep", FromTemplate)
	}
}

// note adds a sentence for the author.
func (r *resolver) note(format string, args ...any) {
	r.plan.Notes = append(r.plan.Notes, fmt.Sprintf(format, args...))
}
