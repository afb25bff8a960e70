package planner_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"agentd/internal/errs"
	"agentd/internal/identity"
	"agentd/internal/plan"
	"agentd/internal/planner"
	"agentd/internal/resource"
	"agentd/internal/supervisor"
	"agentd/internal/template"
)

// host has one template, and remembers which vfolders it was asked for.
type host struct {
	t     *testing.T
	text  string
	asked []string
}

func (h *host) Document(
	context.Context, identity.Caller, string, int,
) (template.Revision, template.Template, error) {
	doc, err := template.ParseOne("t.yaml", []byte(h.text))
	if err != nil {
		h.t.Fatal(err)
	}
	return template.Revision{ID: "t1", Name: doc.Template.Metadata.Name, Number: 4}, doc.Template, nil
}

func (h *host) Path(_ uint32, name string) (string, error) {
	h.asked = append(h.asked, name)
	if name == "data" {
		return "/vfolders/data", nil
	}
	return "", errs.New(errs.NotFound, "no vfolder %q", name)
}

func (h *host) Slots(context.Context) (map[string]int64, error) {
	return map[string]int64{"cpu": 2e9, "mem": 8 << 30}, nil
}

func (h *host) Platforms(context.Context) ([]string, error) { return []string{"amd64"}, nil }

func newPlanner(h *host, fixed *plan.User) *planner.Planner {
	return planner.New(planner.Options{
		Templates: h, Folders: h, Machine: h, Fixed: fixed,
		Policy: plan.Policy{
			DefaultCPU: resource.Core, DefaultMemory: resource.GiB, GitSchemes: []string{"https"}, Network: "isolated",
			HostPaths: map[string]plan.HostPath{"desk": {Path: "/srv/desk"}},
		},
	})
}

func text(lines ...string) string {
	return "api_version: v1\nkind: taskTemplate\nmetadata: {name: one}\nspec:\n  kernel:\n    image: busybox\n" +
		strings.Join(lines, "\n")
}

func withPassword(password string) string {
	return text("    git:", "      repository: https://h/r", "      credential: {username: u, password: '"+password+"'}")
}

func TestResolve_Credential(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, written, brought, want string
		code                         errs.Code
	}{
		{"literal", "s3cret", "", "s3cret", ""},
		{"brought by the request", "${env:TOKEN}", "mine", "mine", ""},
		{"the request wins", "s3cret", "mine", "mine", ""},
		{"unresolved", "${env:TOKEN}", "", "", errs.Invalid},
		{"somebody else's", template.Marker, "", "", errs.Forbidden},
	} {
		req := supervisor.Request{Template: "one"}
		req.Secrets.GitPassword = c.brought
		_, secrets, err := newPlanner(&host{t: t, text: withPassword(c.written)}, nil).
			Resolve(t.Context(), identity.Caller{UID: 7}, req)
		if errs.CodeOf(err) != c.code || err == nil && (secrets.GitPassword != c.want || secrets.GitUsername != "u") {
			t.Errorf("%s: password %q, user %q, %v; want %q and code %q", c.name, secrets.GitPassword, secrets.GitUsername,
				err, c.want, c.code)
		}
	}
}

func TestResolve_LooksUpOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	h := &host{t: t, text: text("  mounts:", "    data/sub: /in", "    desk:")}
	p := newPlanner(h, nil)
	got, _, err := p.Resolve(t.Context(), identity.Caller{UID: 7}, supervisor.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.asked, []string{"data", "desk"}) {
		t.Errorf("asked for the vfolders %v, want data and desk", h.asked)
	}
	var sources []string
	for _, m := range got.Plan.Mounts {
		sources = append(sources, m.Source)
	}
	slices.Sort(sources)
	if want := []string{"/srv/desk", "/vfolders/data/sub"}; !slices.Equal(sources, want) {
		t.Errorf("sources are %v, want %v", sources, want)
	}
}

func TestResolve_User(t *testing.T) {
	t.Parallel()
	h := &host{t: t, text: text()}
	user := func(fixed *plan.User, c identity.Caller) plan.User {
		got, _, err := newPlanner(h, fixed).Resolve(t.Context(), c, supervisor.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return got.Plan.User
	}
	his := user(nil, identity.Caller{UID: 7, GID: 8, Groups: []uint32{30, 20}})
	if his.UID != 7 || his.GID != 8 || !slices.Equal(his.Groups, []uint32{20, 30}) || len(his.Capabilities) > 0 {
		t.Errorf("an ordinary caller's session is %+v", his)
	}
	if roots := user(nil, identity.Caller{}); len(roots.Capabilities) != 6 {
		t.Errorf("root's session keeps %v", roots.Capabilities)
	}
	if fixed := user(&plan.User{UID: 99, GID: 99}, identity.Caller{}); fixed.UID != 99 || len(fixed.Capabilities) > 0 {
		t.Errorf("with a fixed user a session is %+v", fixed)
	}
}

func TestSetPolicy(t *testing.T) {
	t.Parallel()
	p := newPlanner(&host{t: t, text: text()}, nil)
	p.SetPolicy(plan.Policy{DefaultCPU: resource.Core / 2, DefaultMemory: resource.GiB, PullPolicy: plan.PullNever})
	got, _, err := p.Resolve(t.Context(), identity.Caller{UID: 7}, supervisor.Request{})
	if err != nil || got.Plan.Limits.NanoCPUs != 5e8 || got.Plan.Image.PullPolicy != plan.PullNever {
		t.Errorf("after a reload: %+v, %v", got.Plan.Limits, err)
	}
}
