package plan

import (
	"agentd/internal/resource"
	"agentd/internal/template"
)

// steps are the scripts and their bounds.
func (r *resolver) steps() {
	o, t, policy := r.in.Overrides, r.in.Template, r.in.Facts.Policy
	s := Steps{
		Bootstrap:        r.filled("run.bootstrap", pick(r, "steps.bootstrap", o.Bootstrap, t.Spec.Kernel.Run.Bootstrap)),
		Startup:          r.filled("run.startup", pick(r, "steps.startup", o.Startup, t.Spec.Kernel.Run.Startup)),
		StartupFromImage: t.Extension.StartupFrom == template.StartupFromImage && o.Startup == nil,
		TTY:              t.Extension.TTY,
		BootstrapTimeout: policy.BootstrapTimeout, StopGrace: policy.StopGrace, LogMaxBytes: policy.LogMaxBytes,
		Timeout: t.Extension.Timeout,
	}
	r.from("steps.timeout", FromTemplate)
	if o.Timeout != nil {
		d, err := resource.ParseDuration(*o.Timeout)
		r.wrongErr("steps.timeout", "duration", err)
		s.Timeout = d
		r.from("steps.timeout", FromFlag)
	}
	if r.plan.Type == string(template.Batch) && s.Startup == "" && !s.StartupFromImage {
		r.wrong("steps.startup", "batch-startup", "a batch session needs a startup command: give --startup-command")
	}
	if s.StartupFromImage {
		r.note("the image's ENTRYPOINT and CMD are the startup; its USER, WORKDIR and HEALTHCHECK are not used")
	} else {
		r.note("the image's ENTRYPOINT, CMD, USER, WORKDIR and HEALTHCHECK are not used")
	}
	r.plan.Steps = s
}
