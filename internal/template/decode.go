package template

import "slices"

// Values of [Template].Kind, and those of Backend.AI that this agent has not.
const (
	KindTask      = "taskTemplate"
	kindTaskSnake = "task_template"
	apiVersion    = "v1"
)

// template reads one template; what is wrong with it is noted, and the result is worth something only if nothing is.
func (r *reader) template(n *node) Template {
	o := r.object(n, "", atRoot, n.off)
	t := Template{}
	var m member
	m, t.APIVersion = o.required("api_version", apiVersion)
	if t.APIVersion != "" && t.APIVersion != apiVersion {
		r.warn(m.value.off, m.path, "api-version", "is %s, not %s: read as %s", short(t.APIVersion), apiVersion, apiVersion)
	}
	t.Kind = o.kind()
	t.Metadata = o.metadata()
	// First the extension, for the spec may use its parameters.
	t.Extension = o.extension()
	t.Spec = o.spec(t.Extension)
	if t.Extension.Retry != nil && t.Spec.Type == Interactive {
		x, _ := o.get("x-agentd")
		r.warn(x.value.value("retry").off, atRetry, "retry-interactive",
			"means nothing for an interactive session: only a batch session is tried again")
	}
	return t
}

func (o *object) kind() string {
	m, text := o.required("kind", KindTask)
	switch {
	case text == "" || text == KindTask || text == kindTaskSnake:
	case slices.Contains([]string{"clusterTemplate", "cluster_template"}, text):
		o.problem(m.value.off, m.path, "cluster-template", "cluster templates are not on this agent: wants %s", KindTask)
	default:
		o.problem(m.value.off, m.path, "kind", "wants %s or %s, not %s", KindTask, kindTaskSnake, short(text))
	}
	return text
}

func (o *object) metadata() Metadata {
	o = o.need("metadata", atMetadata)
	m, name := o.required("name", "the name that people type")
	if name != "" {
		o.refuse(m.value.off, m.path, "name", CheckName(name))
	}
	return Metadata{Name: name, Tag: o.line("tag")}
}

// line is scalar for a text that is shown in tables: without control characters.
func (o *object) line(name string) string {
	m, text := o.scalar(name)
	if text != "" {
		o.refuse(m.value.off, m.path, "control-character", checkPrintable(text))
	}
	return text
}
