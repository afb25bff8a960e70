package plan

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"agentd/internal/errs"
	"agentd/internal/template"
)

// Again is the template that resolves to this plan: with the values that the launch gave in the place of the template's
// own. What the agent's configuration decided is left to it, as origin tells, but for the limits. A git credential is no
// part of a plan; whoever needs it brings it.
func (p Plan) Again(origin []Provenance) template.Template {
	sources := map[string]Source{}
	for _, o := range origin {
		sources[o.Path] = o.Source
	}
	t := template.Template{
		APIVersion: "v1", Kind: "taskTemplate", Metadata: template.Metadata{Name: p.Name, Tag: p.Tag},
		Spec: template.Spec{
			Type: template.SessionType(p.Type),
			Kernel: template.Kernel{
				Image: p.Image.Reference, Architecture: strings.TrimPrefix(p.Image.Platform.String(), "linux/"),
				Run: template.Run{Bootstrap: p.Steps.Bootstrap, Startup: p.Steps.Startup},
			},
			Resources: p.amounts(),
		},
		Extension: template.Extension{Network: p.Network, TTY: p.Steps.TTY, Timeout: p.Steps.Timeout},
	}
	for _, v := range p.Env {
		if sources["env."+v.Name] != FromAgent {
			t.Spec.Kernel.Environ = append(t.Spec.Kernel.Environ, template.Variable(v))
		}
	}
	for _, m := range p.Mounts {
		t.Spec.Mounts = append(t.Spec.Mounts, template.Mount{
			Key: m.key(), Target: m.Target, ReadOnly: m.ReadOnly, Create: m.Create,
		})
	}
	if c := p.Checkout; c != nil {
		t.Spec.Kernel.Git = &template.Git{
			Repository: c.Repository, Branch: c.Branch, Commit: c.Commit, DestinationDir: c.Target,
		}
		t.Extension.Git.Submodules = c.Submodules
		if sources["checkout.depth"] == FromTemplate {
			t.Extension.Git.Depth = c.Depth
		}
	}
	if p.Retry != nil {
		t.Extension.Retry = &template.Retry{Max: p.Retry.Max, On: p.Retry.On}
	}
	if p.Steps.StartupFromImage {
		t.Extension.StartupFrom = template.StartupFromImage
	}
	if sources["keep"] == FromTemplate {
		t.Extension.Scratch.Keep = p.Keep
	}
	return t
}

// amounts are the limits as a template writes them.
func (p Plan) amounts() []template.Resource {
	list := []template.Resource{
		{Slot: "cpu", Amount: FormatAmount("cpu", p.Limits.NanoCPUs)},
		{Slot: "mem", Amount: FormatAmount("mem", p.Limits.MemoryBytes)},
	}
	if p.Limits.ShmBytes > 0 {
		list = append(list, template.Resource{Slot: "shmem", Amount: FormatAmount("shmem", p.Limits.ShmBytes)})
	}
	for _, d := range p.Limits.Devices {
		list = append(list, template.Resource{Slot: d.Slot, Amount: FormatAmount(d.Slot, d.Count)})
	}
	return list
}

// key is the key of spec.mounts that leads to the source.
func (m Mount) key() string {
	if m.Name == "" {
		return m.Source
	}
	if rel, err := filepath.Rel(m.Root, m.Source); err == nil && rel != "." {
		return m.Name + "/" + rel
	}
	return m.Name
}

// Document writes a template that was made from a plan as a document that people can read and edit.
func Document(t template.Template) ([]byte, error) {
	type object = map[string]any
	kernel := struct {
		Image        string            `json:"image"`
		Architecture string            `json:"architecture,omitempty"`
		Environ      map[string]string `json:"environ,omitempty"`
		Run          template.Run      `json:"run"`
		Git          *template.Git     `json:"git,omitempty"`
	}{Image: t.Spec.Kernel.Image, Architecture: t.Spec.Kernel.Architecture, Run: t.Spec.Kernel.Run, Git: t.Spec.Kernel.Git}
	for _, v := range t.Spec.Kernel.Environ {
		if kernel.Environ == nil {
			kernel.Environ = map[string]string{}
		}
		kernel.Environ[v.Name] = v.Value
	}
	mounts, resources := object{}, map[string]string{}
	for _, m := range t.Spec.Mounts {
		switch {
		case m.Create:
			mounts[m.Key] = object{"target": m.Target, "readonly": m.ReadOnly, "create": true}
		case m.ReadOnly:
			mounts[m.Key] = m.Target + ":ro"
		default:
			mounts[m.Key] = m.Target
		}
	}
	for _, r := range t.Spec.Resources {
		resources[r.Slot] = r.Amount
	}
	text, err := json.Marshal(struct {
		APIVersion string            `json:"api_version"`
		Kind       string            `json:"kind"`
		Metadata   template.Metadata `json:"metadata"`
		Spec       any               `json:"spec"`
		Extension  any               `json:"x-agentd,omitempty"`
	}{t.APIVersion, t.Kind, t.Metadata, struct {
		Type      template.SessionType `json:"type"`
		Kernel    any                  `json:"kernel"`
		Mounts    object               `json:"mounts,omitempty"`
		Resources map[string]string    `json:"resources,omitempty"`
	}{t.Spec.Type, kernel, mounts, resources}, extension(t.Extension)})
	if err == nil {
		text, err = template.YAML(text)
	}
	if err != nil {
		return nil, errs.New(errs.Internal, "write template %q: %w", t.Metadata.Name, err)
	}
	return text, nil
}

// extension is what of x-agentd a plan can bring; nil for nothing.
func extension(x template.Extension) any {
	m := map[string]any{}
	set := func(key string, value any, is bool) {
		if is {
			m[key] = value
		}
	}
	written := func(d time.Duration) string { return d.String() }
	set("network", x.Network, x.Network == template.NetworkNone)
	set("tty", true, x.TTY)
	set("retry", x.Retry, x.Retry != nil)
	set("timeout", written(x.Timeout), x.Timeout > 0)
	set("startup_from", x.StartupFrom, x.StartupFrom != "")
	set("git", x.Git, x.Git != template.ExtensionGit{})
	set("scratch", map[string]string{"keep": written(x.Scratch.Keep)}, x.Scratch.Keep > 0)
	if len(m) == 0 {
		return nil
	}
	return m
}
