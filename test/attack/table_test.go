package attack

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"agentd/internal/api"
)

// row is a verb on an object of alice's. want is the status for alice, mallory, an administrator and root, in this order.
type row struct {
	method, path string
	query        string
	body         any
	headers      []string
	want         [4]int
	// fresh makes an object for each cell, because the verb uses it up.
	fresh bool
}

var roles = [4]user{alice, mallory, admin, root}

const document = "api_version: v1\nkind: taskTemplate\nmetadata: {name: %s}\nspec: {kernel: {image: '%s'}}\n"

// templateRows have {ref} for a template.
var templateRows = []row{
	{method: "GET", path: api.PathTemplate, want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathTemplateText, want: [4]int{200, 404, 200, 200}},
	// On behalf of alice.
	{method: "GET", path: api.PathTemplate, query: "?owner=20011", want: [4]int{200, 403, 200, 200}},
	{method: "GET", path: api.PathTemplateText, query: "?owner=20011&show_secrets=true", want: [4]int{200, 403, 403, 403}},
	{method: "PUT", path: api.PathTemplate, query: "?owner=20011", body: fmt.Sprintf(document, "NAME", "agentd-test/attack:other"), want: [4]int{200, 403, 200, 200}, fresh: true},
	{method: "POST", path: api.PathTemplateCopy, query: "?owner=20011", body: map[string]string{"name": "copied"}, want: [4]int{201, 403, 201, 201}, fresh: true},
	{method: "DELETE", path: api.PathTemplate, query: "?owner=20011", want: [4]int{200, 403, 200, 200}, fresh: true},
	{method: "GET", path: api.PathTemplateText, query: "?show_secrets=true", want: [4]int{200, 404, 403, 403}},
	{method: "GET", path: api.PathTemplateText, query: "?revision=1", want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathTemplateRevisions, want: [4]int{200, 404, 200, 200}},
	{method: "PUT", path: api.PathTemplate, body: fmt.Sprintf(document, "NAME", "agentd-test/attack:other"), want: [4]int{200, 404, 200, 200}, fresh: true},
	{method: "POST", path: api.PathTemplateRollback, body: map[string]int{"revision": 1}, want: [4]int{200, 404, 200, 200}, fresh: true},
	{method: "POST", path: api.PathTemplateCopy, body: map[string]string{"name": "copied"}, want: [4]int{201, 404, 201, 201}, fresh: true},
	{method: "DELETE", path: api.PathTemplate, want: [4]int{200, 404, 200, 200}, fresh: true},
	{method: "DELETE", path: api.PathTemplate, query: "?purge=true", want: [4]int{200, 404, 200, 200}, fresh: true},
}

// sessionRows have {ref} for a running session.
var sessionRows = []row{
	{method: "GET", path: api.PathSession, want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathSessionHistory, want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathSessionLogs, want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathSessionEvents, want: [4]int{200, 404, 200, 200}},
	{method: "GET", path: api.PathSessionStats, want: [4]int{200, 404, 200, 200}},
	{method: "POST", path: api.PathSessionExec, headers: []string{"Upgrade", api.FrameProtocol, "Connection", "Upgrade"}, want: [4]int{101, 404, 101, 101}},
	{method: "POST", path: api.PathSessionAttach, headers: []string{"Upgrade", api.FrameProtocol, "Connection", "Upgrade"}, want: [4]int{101, 404, 101, 101}},
	{method: "POST", path: api.PathSessionForward, headers: []string{"Upgrade", api.FrameProtocol, "Connection", "Upgrade"}, want: [4]int{101, 404, 101, 101}},
	{method: "POST", path: api.PathSessionCopy, headers: []string{"Upgrade", api.FrameProtocol, "Connection", "Upgrade"}, want: [4]int{101, 404, 101, 101}},
	{method: "POST", path: api.PathSessionRename, body: json.RawMessage(`{"name": "NAME"}`), want: [4]int{200, 404, 200, 200}, fresh: true},
	{method: "POST", path: api.PathSessionRestart, want: [4]int{200, 404, 200, 200}, fresh: true},
	{method: "POST", path: api.PathSessionTemplate, body: json.RawMessage(`{"name": "saved-by-NAME"}`), want: [4]int{200, 404, 200, 200}},
	{method: "POST", path: api.PathSessionTerminate, body: map[string]bool{"force": true}, want: [4]int{200, 404, 200, 200}, fresh: true},
}

// folderRows have {name} for a vfolder: a name is its owner's, for everybody.
var folderRows = []row{
	{method: "GET", path: api.PathVFolder, want: [4]int{200, 404, 404, 404}},
	{method: "POST", path: api.PathVFolderRename, body: json.RawMessage(`{"name": "NAME"}`), want: [4]int{200, 404, 404, 404}, fresh: true},
	{method: "DELETE", path: api.PathVFolder, want: [4]int{200, 404, 404, 404}, fresh: true},
}

// launchRows use a template of alice's as the caller's.
var launchRows = []row{
	{method: "POST", path: api.PathSessionsPlan, want: [4]int{200, 404, 200, 200}},
	{method: "POST", path: api.PathSessions, want: [4]int{200, 404, 200, 200}},
}

// elsewhere are the routes without an object of somebody's in the path; the tests that ask them are named.
var elsewhere = map[string]string{
	"GET " + api.PathTemplates: "Lists", "POST " + api.PathTemplates: "Lists", "PUT " + api.PathTemplates: "Lists",
	"POST " + api.PathTemplatesValidate: "nobody's", "GET " + api.PathTemplatesSchema: "nobody's",
	"POST " + api.PathTemplateRestore: "Lists", "DELETE " + api.PathSession: "Lists",
	"GET " + api.PathSessions: "Lists", "GET " + api.PathEvents: "Lists", "GET " + api.PathVFolders: "Lists",
	"POST " + api.PathVFolders: "Lists", "GET " + api.PathHealth: "nobody's", "GET " + api.PathSystemInfo: "nobody's",
	"GET " + api.PathSystemDoctor: "nobody's", "GET " + api.PathSystemDisk: "Lists",
	"GET " + api.PathStats: "Lists", "GET " + api.PathSystemAudit: "Lists",
}

// cell asks as one role and compares; for 404 also with what is not there.
func (w *world) cell(r row, role int, ref string) answer {
	w.t.Helper()
	ask := func(ref string) answer {
		path := strings.NewReplacer("{ref}", url.PathEscape(ref), "{name}", url.PathEscape(ref)).Replace(r.path) + r.query
		body := r.body
		switch text := body.(type) {
		case string:
			body = strings.ReplaceAll(text, "NAME", "renamed-"+roles[role].name)
		case json.RawMessage:
			body = json.RawMessage(strings.ReplaceAll(string(text), "NAME", "renamed-"+roles[role].name))
		}
		if r.path == api.PathSessions || r.path == api.PathSessionsPlan {
			body = api.LaunchRequest{Template: ref, EnqueueOnly: true}
		}
		return w.ask(roles[role], r.method, path, body, r.headers...)
	}
	what := fmt.Sprintf("%s %s%s as %s", r.method, r.path, r.query, roles[role].name)
	got := ask(ref)
	if got.status != r.want[role] {
		w.t.Errorf("%s: %d, want %d: %s", what, got.status, r.want[role], got.body)
	}
	if r.want[role] == http.StatusNotFound {
		other := strings.Repeat("0", len(ref))
		sameAs(w.t, what, got, ref, ask(other), other)
	}
	return got
}

// newTemplate makes one of alice's and returns its id.
func (w *world) newTemplate(name string) string {
	w.t.Helper()
	var out api.WrittenList
	got := w.ask(alice, "PUT", api.PathTemplates, fmt.Sprintf(document, name, w.image))
	if err := json.Unmarshal([]byte(got.body), &out); err != nil || got.status != 200 || len(out.Written) != 1 {
		w.t.Fatalf("%d %s", got.status, got.body)
	}
	return out.Written[0].Template.ID
}

func (w *world) newSession(template, name string) string {
	w.t.Helper()
	w.mustCtl(alice, "launch", template, "-t", name, "--no-reuse")
	var info api.SessionInfo
	got := w.ask(alice, "GET", strings.Replace(api.PathSession, "{ref}", name, 1), nil)
	if err := json.Unmarshal([]byte(got.body), &info); err != nil || info.ID == "" {
		w.t.Fatalf("%v: %d %s", err, got.status, got.body)
	}
	return info.ID
}

// TestTable_EveryCell asks object × verb × {owner, other, administrator, root}.
func TestTable_EveryCell(t *testing.T) {
	w := newWorld(t)
	shared := w.newTemplate("alices-template")
	for _, r := range templateRows {
		for role := range roles {
			id := shared
			if r.fresh {
				id = w.newTemplate(fmt.Sprintf("fresh-%d", role))
			}
			w.cell(r, role, id)
			if r.want[role] == http.StatusNotFound { // nor by its name, nor by the beginning of its id
				w.cell(r, role, "alices-template")
				w.cell(r, role, id[:6])
			}
			if r.fresh && r.method != "DELETE" {
				w.ask(alice, "DELETE", strings.Replace(api.PathTemplate, "{ref}", id, 1)+"?purge=true", nil)
			}
			for _, u := range roles { // what the cell copied
				w.ask(u, "DELETE", strings.Replace(api.PathTemplate, "{ref}", "copied", 1)+"?purge=true", nil)
			}
		}
	}
	for _, r := range launchRows {
		for role := range roles {
			w.cell(r, role, shared)
			if r.want[role] == http.StatusNotFound {
				w.cell(r, role, "alices-template")
			}
		}
	}
	id := w.newSession(shared, "alices-session")
	for _, r := range sessionRows {
		for role := range roles {
			of := id
			if r.fresh && r.want[role] != http.StatusNotFound {
				of = w.newSession(shared, fmt.Sprintf("fresh-%d-%s", role, r.path[len(api.PathSession)+1:]))
			}
			w.cell(r, role, of)
			if r.want[role] == http.StatusNotFound {
				w.cell(r, role, "alices-session")
				w.cell(r, role, id[:6])
			}
		}
	}
	for _, r := range folderRows {
		for role := range roles {
			name := fmt.Sprintf("folder-%s-%d", strings.ToLower(r.method), role)
			if got := w.ask(alice, "POST", api.PathVFolders, api.VFolderRequest{Name: name}); got.status != http.StatusCreated {
				t.Fatal(got)
			}
			w.cell(r, role, name)
		}
	}
	// Weakened: were mallory an administrator, the same cells would fall; so the table can fail.
	weak := mallory
	weak.groups = append(slices.Clone(weak.groups), adminGroup)
	if got := w.ask(weak, "GET", strings.Replace(api.PathSession, "{ref}", id, 1), nil); got.status != http.StatusOK {
		t.Errorf("with the group of administrators mallory gets %d", got.status)
	}
}

// TestTable_HasEveryRoute fails for a route that nobody has thought of.
func TestTable_HasEveryRoute(t *testing.T) {
	w := newWorld(t)
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(t, json.Unmarshal([]byte(w.ask(alice, "GET", api.PathOpenAPI, nil).body), &doc))
	if len(doc.Paths) < 15 {
		t.Fatalf("the description has %d paths", len(doc.Paths))
	}
	known := maps.Clone(elsewhere)
	for _, r := range slices.Concat(templateRows, sessionRows, folderRows, launchRows) {
		known[r.method+" "+r.path] = "EveryCell"
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			route := strings.ToUpper(method) + " " + path
			if known[route] == "" {
				t.Errorf("%s stands in no row of the table: who may do it?", route)
			}
		}
	}
}

// TestLists_ShowOnesOwn asks what has no object in its path.
func TestLists_ShowOnesOwn(t *testing.T) {
	w := newWorld(t)
	template := w.newTemplate("alices-template")
	session := w.newSession(template, "alices-session")
	must201(t, w.ask(alice, "POST", api.PathVFolders, api.VFolderRequest{Name: "alices-folder"}))
	for _, path := range []string{api.PathTemplates, api.PathSessions, api.PathVFolders, api.PathEvents + "?after=0", api.PathSystemDisk, api.PathMetrics, api.PathSystemInfo, api.PathStats, api.PathSystemAudit} {
		for role, u := range roles {
			got := w.ask(u, "GET", path, nil)
			names := strings.Contains(got.body, template) || strings.Contains(got.body, session) || strings.Contains(got.body, "alices-")
			own := role == 0 && path != api.PathSystemInfo
			own = own || role != 1 && path == api.PathMetrics // an administrator's scrape has everybody's
			if got.status != 200 || names != own {
				t.Errorf("GET %s as %s: %d, names alice's: %v, want %v\n%.500s", path, u.name, got.status, names, own, got.body)
			}
		}
	}
	for _, path := range []string{
		api.PathTemplates + "?all_users=true", api.PathTemplates + "?owner=20011", api.PathSessions + "?all_users=true",
		api.PathSessions + "?owner=20011", api.PathEvents + "?after=0&all_users=true",
		api.PathStats + "?all_users=true", api.PathSystemAudit + "?all_users=true",
	} {
		for role, u := range roles {
			got := w.ask(u, "GET", path, nil)
			want := []int{403, 403, 200, 200}[role]
			if role == 0 && strings.Contains(path, "owner=") {
				want = 200
			}
			names := strings.Contains(got.body, template) || strings.Contains(got.body, session)
			if got.status != want || names != (want == 200) {
				t.Errorf("GET %s as %s: %d, names alice's: %v, want %d\n%.500s", path, u.name, got.status, names, want, got.body)
			}
		}
	}
	// On behalf of alice: only administrators; what others may not, says nothing of what she has.
	for role, u := range roles {
		got := w.ask(u, "POST", api.PathTemplates+"?owner=20011", fmt.Sprintf(document, "for-alice-by-"+u.name, w.image))
		if want := []int{201, 403, 201, 201}[role]; got.status != want {
			t.Errorf("create for alice as %s: %d, want %d: %s", u.name, got.status, want, got.body)
		}
	}
	// Somebody else's name is free for everybody.
	if got := w.ask(mallory, "POST", api.PathTemplates, fmt.Sprintf(document, "alices-template", w.image)); got.status != 201 {
		t.Errorf("the name of alice's is not free for mallory: %d %s", got.status, got.body)
	}
	must201(t, w.ask(mallory, "POST", api.PathVFolders, api.VFolderRequest{Name: "alices-folder"}))
	// Deleted and ended ones are their owner's too.
	deleted := w.newTemplate("deleted")
	w.ask(alice, "DELETE", strings.Replace(api.PathTemplate, "{ref}", deleted, 1), nil)
	w.end(alice, "alices-session")
	for _, r := range []row{
		{method: "POST", path: api.PathTemplateRestore, want: [4]int{200, 404, 200, 200}},
		{method: "DELETE", path: api.PathSession, want: [4]int{200, 404, 200, 200}},
	} {
		ref := session
		if r.path == api.PathTemplateRestore {
			ref = deleted
		}
		w.cell(r, 1, ref)
		w.cell(r, 0, ref)
	}
}

func must201(t *testing.T, got answer) {
	t.Helper()
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
}
