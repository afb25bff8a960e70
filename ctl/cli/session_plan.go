package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/plan"
)

// planOutput is what --dry-run prints with -o json.
type planOutput struct {
	SchemaVersion int `json:"schema_version"`
	plan.Resolved
}

// dryRun shows the plan of a launch.
func (a *app) dryRun(ctx context.Context, c *client.Client, f *format, req api.LaunchRequest) error {
	resolved, err := c.Plan(ctx, req)
	switch {
	case err != nil:
		return err
	case a.quiet || f.value == formatName:
		return a.println("%s", resolved.Plan.Name)
	case f.value == formatJSON || f.value == formatYAML:
		return a.data(f.value, planOutput{SchemaVersion: api.SchemaVersion, Resolved: resolved})
	}
	for _, note := range resolved.Plan.Notes {
		a.note("note: %s", note)
	}
	return a.table(planTable(resolved))
}

// planTable is a plan, a value a row, each with its origin.
func planTable(r plan.Resolved) *table {
	t := &table{header: []column{{title: "WHAT"}, {title: "VALUE", shrinks: true}, {title: "FROM"}}}
	sources := map[string]plan.Source{}
	for _, p := range r.Provenance {
		sources[p.Path] = p.Source
	}
	used := map[string]bool{}
	for _, row := range planRows(r.Plan) {
		used[row.path] = true
		if row.value != "" {
			t.add(row.path, firstLines(row.value), string(sources[row.path]))
		}
	}
	// What the rows do not know yet must not be hidden.
	for _, path := range slices.Sorted(maps.Keys(sources)) {
		if !used[path] && !strings.HasPrefix(path, "mounts.") && path != "scaling_group" {
			t.add(path, "", string(sources[path]))
		}
	}
	for _, m := range r.Plan.Mounts {
		t.add("mounts."+mountKey(m), mountText(m), string(sourceOfMount(sources, m)))
	}
	return t
}

type planRow struct{ path, value string }

// planRows are the values of a plan under the paths that their origins have.
func planRows(p plan.Plan) []planRow {
	user := fmt.Sprintf("%d:%d", p.User.UID, p.User.GID)
	rows := []planRow{
		{"template", fmt.Sprintf("%s (%s) revision %d", p.Template.Name, p.Template.ID, p.Template.Revision)},
		{"name", p.Name}, {"tag", p.Tag}, {"type", p.Type}, {"image.reference", p.Image.Reference},
		{"image.platform", p.Image.Platform.String()}, {"image.pull_policy", p.Image.PullPolicy}, {"user", user},
		{"network", p.Network}, {"limits.cpu", plan.FormatAmount("cpu", p.Limits.NanoCPUs)},
		{"limits.mem", plan.FormatAmount("mem", p.Limits.MemoryBytes)}, {"limits.pids", number(p.Limits.Pids)},
		{"limits.shmem", size(p.Limits.ShmBytes)},
	}
	for _, d := range p.Limits.Devices {
		rows = append(rows, planRow{"limits." + d.Slot, number(d.Count)})
	}
	for _, v := range p.Env {
		rows = append(rows, planRow{"env." + v.Name, v.Value})
	}
	if c := p.Checkout; c != nil {
		depth := "the whole history"
		if c.Depth > 0 {
			depth = number(int64(c.Depth)) + " commits"
		}
		rows = append(rows, planRow{"checkout.repository", c.Repository})
		if c.URL != c.Repository {
			rows = append(rows, planRow{"checkout.url", c.URL})
		}
		rows = append(rows, planRow{"checkout.branch", c.Branch}, planRow{"checkout.commit", c.Commit},
			planRow{"checkout.depth", depth}, planRow{"checkout.target", c.Target})
	}
	return append(rows, planRow{"steps.bootstrap", p.Steps.Bootstrap}, planRow{"steps.startup", p.Steps.Startup},
		planRow{"steps.timeout", span0(p.Steps.Timeout)}, planRow{"keep", span0(p.Keep)})
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func size(n int64) string {
	if n == 0 {
		return ""
	}
	return plan.FormatAmount("mem", n)
}

// span0 is a duration; empty for none.
func span0(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// firstLines is a text of several lines on one.
func firstLines(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
}

// mountKey is the key of a mount as a template has it.
func mountKey(m plan.Mount) string {
	if m.Name == "" {
		return m.Source
	}
	return m.Name
}

// sourceOfMount finds the origin by the key that was written, which may go on with a path inside of the vfolder.
func sourceOfMount(sources map[string]plan.Source, m plan.Mount) plan.Source {
	for path, source := range sources {
		key, ok := strings.CutPrefix(path, "mounts.")
		if ok && (key == mountKey(m) || strings.HasPrefix(key, m.Name+"/") && m.Name != "" &&
			strings.HasSuffix(m.Source, strings.TrimPrefix(key, m.Name))) {
			return source
		}
	}
	return ""
}
