package plan

import (
	"slices"

	"agentd/internal/template"
)

// retry is for batch sessions: an interactive one is begun by a person, who sees how it ends.
func (r *resolver) retry() {
	x, source := r.in.Template.Extension.Retry, FromTemplate
	if o := r.in.Overrides.Retry; o != nil {
		x, source = &template.Retry{Max: o.Max, On: o.On}, FromFlag
	}
	if x == nil || x.Max == 0 {
		return
	}
	for _, cause := range x.On {
		if !template.IsCause(cause) {
			r.wrong("retry.on", "retry-cause", "wants oom, lost, timeout, failure, or an exit code from 1 to 255, not "+cause)
		}
	}
	switch {
	case x.Max < 0 || x.Max > template.MaxRetries:
		r.wrong("retry.max", "retry-max", "wants 0 to 100 further tries")
	case r.plan.Type != string(template.Batch) && source == FromFlag:
		r.wrong("retry", "retry-interactive", "only a batch session is tried again: --type batch")
	case r.plan.Type == string(template.Batch):
		r.plan.Retry = &Retry{Max: x.Max, On: slices.Clone(x.On)}
		r.from("retry", source)
	}
}
