package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/errs"
)

const document = "api_version: v1\n"

// requests has a good request for every operation of the API, and what the catalog is to be asked by it.
func requests() map[string]struct{ method, target, body, call string } {
	type row = struct{ method, target, body, call string }
	rows := map[string]row{
		"create-templates": {"POST", "/v1/templates?file=a.yaml&owner=5", document,
			`uid 7 owner 5: create "a.yaml" "api_version: v1\n"`},
		"apply-templates": {"PUT", "/v1/templates?file=-", document, `uid 7 owner own: apply "-" "api_version: v1\n"`},
		"list-templates": {"GET", "/v1/templates?owner=0&all_users=true&deleted=true&after=x&limit=9", "",
			`uid 7 owner 0: list all=true deleted=true after="x" limit=9`},
		"validate-templates":  {"POST", "/v1/templates/-/validate?file=f", document, ""},
		"get-template-schema": {"GET", "/v1/templates/-/schema", "", ""},
		"get-template":        {"GET", "/v1/templates/a%2Fb%20c", "", `uid 7 owner own: get "a/b c"`},
		"update-template": {"PUT", "/v1/templates/one?file=f", document,
			`uid 7 owner own: update "one" "f" "api_version: v1\n" if 3`},
		"delete-template": {"DELETE", "/v1/templates/one?purge=true&owner=4294967295", "",
			`uid 7 owner 4294967295: delete "one" if 3 purge=true`},
		"get-template-text": {"GET", "/v1/templates/one/text?revision=2&show_secrets=true", "",
			`uid 7 owner own: text "one" revision=2 secrets=true`},
		"list-template-revisions": {"GET", "/v1/templates/one/revisions?owner=1", "", `uid 7 owner 1: history "one"`},
		"rollback-template": {"POST", "/v1/templates/one/rollback", `{"revision": 2}`,
			`uid 7 owner own: rollback "one" to 2 if 3`},
		"restore-template": {"POST", "/v1/templates/one/restore", `{"name": "two"}`,
			`uid 7 owner own: restore "one" as "two"`},
		"copy-template": {"POST", "/v1/templates/one/copy", `{"name": "two"}`, `uid 7 owner own: copy "one" to "two"`},
		"get-health":    {"GET", "/v1/healthz", "", ""},
	}
	maps.Copy(rows, sessionRequests())
	return rows
}

// operations lists the API's operations as it describes them itself.
func operations(t *testing.T, h *harness) []string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Parameters  []struct{ Name string }
		}
	}
	if err := json.Unmarshal(h.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, methods := range doc.Paths {
		for _, op := range methods {
			all = append(all, op.OperationID)
		}
	}
	slices.Sort(all)
	return all
}

func TestRoutes_AskTheCatalog(t *testing.T) {
	rows := requests()
	for _, op := range operations(t, newHarness(t)) {
		row, ok := rows[op]
		if !ok {
			t.Errorf("no request for the operation %s", op)
			continue
		}
		delete(rows, op)
		h := newHarness(t)
		resp := h.do(t, row.method, row.target, row.body, "If-Match", `"3"`)
		if body := bodyOf(t, resp); row.call != "" && resp.StatusCode/100 != 2 {
			t.Errorf("%s: %d %s", op, resp.StatusCode, body)
		}
		if got := strings.Join(h.fake.calls, "; "); got != row.call {
			t.Errorf("%s asked %s; want %s", op, got, row.call)
		}
		if resp.Header.Get(api.VersionHeader) == "" || resp.Header.Get(api.RequestIDHeader) == "" {
			t.Errorf("%s: headers %v", op, resp.Header)
		}
	}
	for op := range rows {
		t.Errorf("a request for %s, which is no operation", op)
	}
}

// Every route with every error that can cross the wire.
func TestRoutes_EachErrorIsAProblem(t *testing.T) {
	for op, row := range requests() {
		if row.call == "" || op == "list-sessions" || op == "get-stats" { // a list cannot fail
			continue
		}
		for _, code := range api.Codes() {
			if code.Status == 0 {
				continue
			}
			h := newHarness(t)
			cause := errors.New("secret cause")
			h.fake.err = fmt.Errorf("outer: %w", errs.New(code.Code, "thing: %w", cause).WithHint("do this"))
			resp := h.do(t, row.method, row.target, row.body)
			if resp.StatusCode != code.Status {
				t.Errorf("%s, %s: status %d; want %d", op, code.Code, resp.StatusCode, code.Status)
			}
			p := problemOf(t, resp)
			if p.Code != code.Code {
				t.Errorf("%s: code %s; want %s", op, p.Code, code.Code)
			}
			if (code.Code == errs.Busy) != (resp.Header.Get("Retry-After") != "") {
				t.Errorf("%s, %s: Retry-After %q", op, code.Code, resp.Header.Get("Retry-After"))
			}
			logged := strings.Contains(h.log.String(), "secret cause")
			if code.Code == errs.Internal {
				want := "internal error; request id " + p.RequestID + ": see the log"
				if p.Detail != want || p.Hint != "" || !logged || !strings.Contains(h.log.String(), p.RequestID) {
					t.Errorf("%s: internal: %+v; logged: %t", op, p, logged)
				}
				continue
			}
			if p.Detail != "thing: secret cause" || p.Hint != "do this" || logged {
				t.Errorf("%s, %s: %+v; logged: %t", op, code.Code, p, logged)
			}
		}
	}
}

func TestRoutes_UncodedErrorIsInternal(t *testing.T) {
	h := newHarness(t)
	h.fake.err = errors.New("a disk on fire")
	p := problemOf(t, h.do(t, "GET", "/v1/templates/one", ""))
	if p.Code != errs.Internal || strings.Contains(p.Detail, "fire") || !strings.Contains(h.log.String(), "a disk on fire") {
		t.Errorf("%+v; log: %s", p, h.log)
	}
}

func TestRoutes_ProblemsOfADocument(t *testing.T) {
	h := newHarness(t)
	want := []errs.Problem{
		{File: "a.yaml", Line: 3, Column: 5, Path: "spec.kernel.image", Rule: "required", Message: "is required"},
		{Rule: "x", Message: "y"},
	}
	h.fake.err = &errs.Error{Code: errs.Invalid, Message: "2 problems", Problems: want}
	p := problemOf(t, h.do(t, "POST", "/v1/templates", document))
	if diff := cmp.Diff(want, p.Problems); diff != "" {
		t.Error(diff)
	}
	if p.Detail != "2 problems" {
		t.Errorf("detail %q: the problems are a list of their own", p.Detail)
	}
}

func TestRoutes_WireForm(t *testing.T) {
	const tpl = `{"id":"bcdf2345","name":"one","owner_uid":7,"revision":3,"created_at":"2026-01-02T03:04:05Z",` +
		`"updated_at":"2026-01-02T03:04:05Z","type":"batch","image":"python:3.9","architecture":"x86_64"}`
	const wrote = `{"action":"updated","template":` + tpl + `}`
	for op, want := range map[string]struct {
		status     int
		kind, etag string
		body       string
	}{
		"create-templates":        {201, "application/json", "", `{"written":[` + wrote + `]}` + "\n"},
		"apply-templates":         {200, "application/json", "", `{"written":[` + wrote + `]}` + "\n"},
		"list-templates":          {200, "application/json", "", `{"templates":[` + tpl + `],"next":"n"}` + "\n"},
		"get-template":            {200, "application/json", `"3"`, tpl + "\n"},
		"update-template":         {200, "application/json", `"3"`, wrote + "\n"},
		"delete-template":         {200, "application/json", `"3"`, wrote + "\n"},
		"get-template-text":       {200, "application/yaml", `"2"`, "# mine\nkind: taskTemplate\r\n"},
		"list-template-revisions": {200, "application/json", "", `{"id":"bcdf2345","revisions":[]}` + "\n"},
		"rollback-template":       {200, "application/json", `"3"`, wrote + "\n"},
		"restore-template":        {200, "application/json", `"3"`, wrote + "\n"},
		"copy-template":           {201, "application/json", `"3"`, wrote + "\n"},
	} {
		row := requests()[op]
		resp := newHarness(t).do(t, row.method, row.target, row.body)
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != want.kind ||
			resp.Header.Get("ETag") != want.etag {
			t.Errorf("%s: %d %v", op, resp.StatusCode, resp.Header)
		}
		if diff := cmp.Diff(want.body, bodyOf(t, resp)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", op, diff)
		}
	}
}

func TestRoutes_RestoreNeedsNoBody(t *testing.T) {
	h := newHarness(t)
	if resp := h.do(t, "POST", "/v1/templates/one/restore", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, bodyOf(t, resp))
	}
	if want := []string{`uid 7 owner own: restore "one" as ""`}; !slices.Equal(h.fake.calls, want) {
		t.Errorf("asked %v", h.fake.calls)
	}
}

func TestRoutes_BadRequests(t *testing.T) {
	for name, row := range map[string]struct {
		method, target, body, ifMatch string
		code                          errs.Code
		detail                        string
	}{
		"unknown parameter": {"GET", "/v1/templates?oner=5", "", "", errs.Invalid,
			"query.oner: unknown query parameter"},
		"owner a word":    {"GET", "/v1/templates?owner=root", "", "", errs.Invalid, "query.owner: expected string to match pattern"},
		"owner too large": {"GET", "/v1/templates?owner=4294967296", "", "", errs.Invalid, "owner=4294967296 is not a uid"},
		"limit":           {"GET", "/v1/templates?limit=501", "", "", errs.Invalid, "query.limit: expected number <= 500"},
		"bool":            {"GET", "/v1/templates?deleted=maybe", "", "", errs.Invalid, "query.deleted: invalid boolean"},
		"If-Match":        {"PUT", "/v1/templates/one", document, "3", errs.Invalid, "If-Match: 3 is not an ETag of agentd"},
		"If-Match weak":   {"DELETE", "/v1/templates/one", "", `W/"3"`, errs.Invalid, `If-Match: W/"3" is not an ETag`},
		"no body":         {"POST", "/v1/templates/one/copy", "", "", errs.Invalid, "request body is required"},
		"not JSON":        {"POST", "/v1/templates/one/copy", "{", "", errs.Invalid, "body: unexpected end of JSON"},
		"missing key":     {"POST", "/v1/templates/one/copy", "{}", "", errs.Invalid, "body: expected required property name"},
		"unknown key":     {"POST", "/v1/templates/one/copy", `{"name":"a","nom":"b"}`, "", errs.Invalid, "body.nom: unexpected property"},
		"revision 0":      {"POST", "/v1/templates/one/rollback", `{"revision":0}`, "", errs.Invalid, "body.revision: expected number >= 1"},
		"too large":       {"POST", "/v1/templates", strings.Repeat("#", api.MaxRequestBytes+1), "", errs.TooLarge, "more than 1024 KiB"},
		"no route":        {"GET", "/v2/templates", "", "", errs.NotFound, "no route GET /v2/templates"},
		"not clean":       {"GET", "/v1//templates", "", "", errs.NotFound, "no route GET /v1//templates"},
		"dots":            {"GET", "/v1/templates/../healthz", "", "", errs.NotFound, "no route"},
		"trailing slash":  {"GET", "/v1/templates/", "", "", errs.NotFound, "no route"},
		"root":            {"GET", "/", "", "", errs.NotFound, "no route GET /"},
	} {
		h := newHarness(t)
		resp := h.do(t, row.method, row.target, row.body, "If-Match", row.ifMatch)
		p := problemOf(t, resp)
		text := p.Detail
		for _, d := range p.Problems {
			text += "\n" + d.String()
		}
		if p.Code != row.code || resp.StatusCode != api.Lookup(row.code).Status || !strings.Contains(text, row.detail) {
			t.Errorf("%s: %d %s %s; want %s %s", name, resp.StatusCode, p.Code, text, row.code, row.detail)
		}
		if len(h.fake.calls) != 0 {
			t.Errorf("%s reached the catalog: %v", name, h.fake.calls)
		}
	}
}

func TestRoutes_JustEnoughIsNotTooMuch(t *testing.T) {
	h := newHarness(t)
	resp := h.do(t, "POST", "/v1/templates", strings.Repeat("#", api.MaxRequestBytes))
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", resp.StatusCode, bodyOf(t, resp))
	}
}

func TestRoutes_WrongMethodSaysWhichThereAre(t *testing.T) {
	resp := newHarness(t).do(t, "PATCH", "/v1/templates/one", "")
	p := problemOf(t, resp)
	if resp.StatusCode != http.StatusMethodNotAllowed || p.Code != errs.Unsupported ||
		resp.Header.Get("Allow") != "DELETE, GET, HEAD, PUT" || p.Hint != "it has DELETE, GET, HEAD, PUT" {
		t.Errorf("%d %v %+v", resp.StatusCode, resp.Header, p)
	}
}
