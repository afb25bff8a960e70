package template

import (
	"agentd/internal/errs"
	"agentd/internal/resource"
)

func (o *object) spec(ext Extension) Spec {
	o = o.need("spec", atSpec)
	if o == nil {
		return Spec{}
	}
	s := Spec{Type: o.sessionType(), Kernel: o.kernel(), ScalingGroup: o.line("scaling_group")}
	s.Mounts = o.mounts()
	o.targetsApart(s)
	s.Resources = o.resources()
	s.AgentList = o.words("agent_list")
	o.startup(s, ext)
	return s
}

func (o *object) sessionType() SessionType {
	m, text := o.scalar("type")
	switch text {
	case "":
		text = string(Interactive)
	case string(Interactive), string(Batch):
	case "inference", "system":
		o.problem(m.value.off, m.path, "type-unsupported", "%s sessions are not on this agent: wants interactive or batch", text)
	default:
		o.problem(m.value.off, m.path, "session-type", "wants interactive or batch, not %s", short(text))
	}
	return SessionType(text)
}

// startup checks what only the whole template shows: a batch session does something, and one thing.
func (o *object) startup(s Spec, ext Extension) {
	fromImage := ext.StartupFrom == StartupFromImage
	path := join(atRun, "startup")
	switch {
	case fromImage && s.Kernel.Run.Startup != "":
		o.problem(o.off, path, "startup-twice", "there is a startup command, and x-agentd.startup_from: keep one")
	case s.Type == Batch && s.Kernel.Run.Startup == "" && !fromImage:
		m, _ := o.get("type")
		o.problem(m.off, path, "startup-required", "required: a batch session is its startup command")
	}
}

// resources reads the slots; whether this agent has them is said at launch.
func (o *object) resources() []Resource {
	var all []Resource
	o.entries("resources", func(path string, f field) {
		o.refuse(f.off, path, "slot-name", resource.CheckSlotName(f.key))
		amount, ok := o.text(path, f, "write an amount, or leave the slot out")
		if ok {
			o.refuse(f.value.off, path, "amount", resource.CheckAmount(f.key, amount))
		}
		all = append(all, Resource{Slot: f.key, Amount: amount})
	})
	return all
}

// text is the scalar of an entry of a map, where null would be neither absent nor a text; instead says what to write.
func (o *object) text(path string, f field, instead string) (string, bool) {
	switch {
	case f.value.null():
		o.problem(f.off, path, "null-value", "is null: %s", instead)
		return "", false
	case f.value.kind != scalar:
		o.problem(f.value.off, path, "type", "wants a string, not %s", f.value.what())
		return "", false
	}
	return f.value.text, true
}

// words reads a list of names.
func (o *object) words(name string) []string {
	m, ok := o.get(name)
	if !ok {
		return nil
	}
	if m.value.kind != sequence {
		o.problem(m.value.off, m.path, "type", "wants a list, not %s", m.value.what())
		return nil
	}
	var all []string
	for i, item := range m.value.items {
		path := index(m.path, i)
		text, ok := o.text(path, field{off: item.off, value: item}, "write a name, or leave it out")
		if ok && text == "" {
			o.problem(item.off, path, "required", "blank: write a name, or leave it out")
		} else if ok {
			o.refuse(item.off, path, "control-character", checkPrintable(text))
		}
		all = append(all, text)
	}
	return all
}

// invalid makes the error of a check that others use too.
func invalid(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }
