package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/server"
	"agentd/internal/session"
)

// sessionRequests are the rows of [requests] for sessions, vfolders and the system. What answers with a stream ends at
// once: the session has ended.
func sessionRequests() map[string]struct{ method, target, body, call string } {
	type row = struct{ method, target, body, call string }
	const find, follow = `uid 7 owner own: find "a b"`, `uid 7 owner own: follow "a b"`
	return map[string]row{
		"launch-session": {"POST", "/v1/sessions", `{"template":"t","overrides":{"environ":{"GONE":null}},` +
			`"git":{"password":"hunter2"},"enqueue_only":true}`,
			`uid 7 owner own: launch "t" key "" env true password "hunter2"; uid 7 owner own: find "s0123456789"`},
		"plan-session":  {"POST", "/v1/sessions/-/plan", `{"template":"t","overrides":{}}`, `uid 7 owner own: plan "t"`},
		"list-sessions": {"GET", "/v1/sessions?ended=true", "", `uid 7 owner own: list all=false ended=true`},
		"get-session":   {"GET", "/v1/sessions/a%20b", "", find},
		"remove-session": {"DELETE", "/v1/sessions/a%20b", "",
			`uid 7 owner own: remove "a b"`},
		"get-session-history": {"GET", "/v1/sessions/a%20b/history", "", find},
		"terminate-session": {"POST", "/v1/sessions/a%20b/terminate", `{"force":true}`,
			`uid 7 owner own: terminate "a b" force=true`},
		"get-session-logs":   {"GET", "/v1/sessions/a%20b/logs?tail=3&since=10m&step=startup", "", follow},
		"get-session-events": {"GET", "/v1/sessions/a%20b/events?after=-1", "", follow},
		"create-vfolder": {"POST", "/v1/vfolders", `{"name":"n","path":"/p"}`,
			`uid 7 owner own: create vfolder "n" at "/p"`},
		"list-vfolders":     {"GET", "/v1/vfolders", "", `uid 7 owner own: vfolders`},
		"get-vfolder":       {"GET", "/v1/vfolders/n", "", `uid 7 owner own: vfolder "n"`},
		"remove-vfolder":    {"DELETE", "/v1/vfolders/n", "", `uid 7 owner own: remove vfolder "n"`},
		"get-system-info":   {"GET", "/v1/system/info", "", `uid 7 owner own: info`},
		"get-system-doctor": {"GET", "/v1/system/doctor", "", `uid 7 owner own: doctor`},
		"rename-vfolder":    {"POST", "/v1/vfolders/n/rename", `{"name":"m"}`, `uid 7 owner own: rename vfolder "n" to "m"`},
		"get-system-disk":   {"GET", "/v1/system/disk", "", `uid 7 owner own: disk`},
		"get-system-audit": {"GET", "/v1/system/audit?user=8&session=s&template=t&limit=3&since=1h", "",
			`uid 7 owner 8: audit all=false session="s" template="t" limit=3`},
		"rename-session": {"POST", "/v1/sessions/a%20b/rename", `{"name":"other"}`,
			`uid 7 owner own: rename "a b" to "other"`},
		"restart-session":   {"POST", "/v1/sessions/a%20b/restart", "", `uid 7 owner own: restart "a b"`},
		"get-session-stats": {"GET", "/v1/sessions/a%20b/stats", "", find},
		"get-stats":         {"GET", "/v1/stats", "", `uid 7 owner own: list all=false ended=false`},
		"save-session-template": {"POST", "/v1/sessions/a%20b/template", `{"name":"saved"}`,
			`uid 7 owner own: save "a b" as "saved"`},
		// These cannot fail by the fake's error, or are not answered without a connection: they have tests of their own.
		"get-events":           {"GET", "/v1/events", "", ""},
		"exec-in-session":      {"POST", "/v1/sessions/a%20b/exec", "", ""},
		"attach-to-session":    {"POST", "/v1/sessions/a%20b/attach", "", ""},
		"forward-into-session": {"POST", "/v1/sessions/a%20b/forward", "", ""},
		"copy-session-files":   {"POST", "/v1/sessions/a%20b/copy", "", ""},
	}
}

func TestSessions_AreNotThereWithoutALauncher(t *testing.T) {
	h := newHarness(t, func(o *server.Options) { o.Sessions, o.VFolders, o.System = nil, nil, nil })
	for _, target := range []string{"/v1/sessions", "/v1/vfolders", "/v1/system/info", "/v1/events"} {
		if p := problemOf(t, h.do(t, "GET", target, "")); p.Code != errs.NotFound {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestSessions_BadRequests(t *testing.T) {
	for name, row := range map[string]struct {
		method, target, body string
		code                 errs.Code
		detail               string
	}{
		"no overrides":  {"POST", "/v1/sessions", `{"template":"t"}`, errs.Invalid, "overrides"},
		"unknown key":   {"POST", "/v1/sessions", `{"template":"t","overrides":{"nom":"x"}}`, errs.Invalid, "nom"},
		"bad type":      {"POST", "/v1/sessions/-/plan", `{"template":"t","overrides":{"type":"x"}}`, errs.Invalid, "type"},
		"tail":          {"GET", "/v1/sessions/x/logs?tail=-2", "", errs.Invalid, "tail"},
		"step":          {"GET", "/v1/sessions/x/logs?step=other", "", errs.Invalid, "step"},
		"since":         {"GET", "/v1/sessions/x/logs?since=yesterday", "", errs.Invalid, "is neither a time"},
		"after":         {"GET", "/v1/events?after=-2", "", errs.Invalid, "after"},
		"others' list":  {"GET", "/v1/sessions?all_users=true", "", errs.Forbidden, "only administrators"},
		"another's":     {"GET", "/v1/sessions?owner=8", "", errs.Forbidden, "only administrators"},
		"others' news":  {"GET", "/v1/events?all_users=true", "", errs.Forbidden, "only administrators"},
		"not upgrading": {"POST", "/v1/sessions/x/exec", "", errs.Invalid, "only upgrades"},
		"no path":       {"POST", "/v1/vfolders", `{}`, errs.Invalid, "name"},
	} {
		h := newHarness(t)
		p := problemOf(t, h.do(t, row.method, row.target, row.body))
		text := p.Detail
		for _, d := range p.Problems {
			text += "\n" + d.String()
		}
		if p.Code != row.code || !strings.Contains(text, row.detail) {
			t.Errorf("%s: %s %s; want %s %s", name, p.Code, text, row.code, row.detail)
		}
		if len(h.fake.calls) != 0 {
			t.Errorf("%s reached the supervisor: %v", name, h.fake.calls)
		}
	}
}

func TestSessions_LastEventIDIsANumber(t *testing.T) {
	h := newHarness(t)
	if p := problemOf(t, h.do(t, "GET", "/v1/events", "", "Last-Event-ID", "x")); p.Code != errs.Invalid {
		t.Errorf("%+v", p)
	}
}

func TestSessions_ListHasPages(t *testing.T) {
	h := newHarness(t)
	var got []string
	for after := ""; ; {
		var page api.SessionList
		text := bodyOf(t, h.do(t, "GET", "/v1/sessions?limit=2&ended=true&after="+after, ""))
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		for _, s := range page.Sessions {
			got = append(got, s.ID)
		}
		if page.Next == "" {
			break
		}
		after = page.Next
	}
	if want := []string{"s0", "s1", "s2", "s3", "s4"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := `uid 7 owner own: list all=false ended=true`; h.fake.calls[0] != want {
		t.Errorf("asked %v", h.fake.calls)
	}
}

func TestSessions_InfoHasAllButTheNonce(t *testing.T) {
	h := newHarness(t)
	text := bodyOf(t, h.do(t, "GET", "/v1/sessions/x", ""))
	for _, want := range []string{`"id":"s0123456789"`, `"name":"one"`, `"status":"PENDING"`, `"waiting":"for slots"`,
		`"scratch_path":"/scratch"`, `"history":[`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	if strings.Contains(text, "the-nonce") {
		t.Error("it has the nonce")
	}
}

func TestSessions_TerminateNeedsNoBody(t *testing.T) {
	h := newHarness(t)
	if resp := h.do(t, "POST", "/v1/sessions/x/terminate", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, bodyOf(t, resp))
	}
}

// eventsOf reads server-sent events as KIND STATUS.
func eventsOf(t *testing.T, resp *http.Response) (kinds []string, last api.Event) {
	t.Helper()
	text := bodyOf(t, resp)
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("content type %s of %s", kind, text)
	}
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var kind string
		last = api.Event{}
		for line := range strings.Lines(block) {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "id":
				if value == "0" {
					t.Errorf("an id of 0 in %q", block)
				}
			case "event":
				kind = value
			case "data":
				if err := json.Unmarshal([]byte(value), &last); err != nil {
					t.Errorf("%v in %q", err, block)
				}
			}
		}
		if kind != last.Kind {
			t.Errorf("the event is called %q and is %q", kind, last.Kind)
		}
		kinds = append(kinds, strings.TrimSpace(fmt.Sprint(last.Kind, " ", last.Status)))
	}
	return kinds, last
}

const launchBody = `{"template":"t","overrides":{}}`

func TestLaunch_TellsEverythingUpToRunning(t *testing.T) {
	h := newHarness(t)
	h.sessions.tell(api.Event{Kind: api.EventStatus, Status: session.Pending})
	h.sessions.tell(api.Event{Kind: api.EventStep, Step: "image", State: "begin"})
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	h.sessions.tell(api.Event{Kind: api.EventNote, Message: "after the end"})
	kinds, last := eventsOf(t, h.do(t, "POST", "/v1/sessions", launchBody))
	want := []string{"status PENDING", "step", "status PREPARING", "status PREPARED", "status CREATING", "status RUNNING",
		"session RUNNING"}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	if last.Session == nil || !last.Created || last.Session.Status != session.Running {
		t.Errorf("the last event is %+v", last)
	}
}

func TestLaunch_EndsWithWhateverEndsIt(t *testing.T) {
	for _, end := range []session.Status{session.Error, session.Cancelled} {
		h := newHarness(t)
		h.sessions.enter(session.Preparing, end)
		kinds, last := eventsOf(t, h.do(t, "POST", "/v1/sessions", launchBody))
		if kinds[len(kinds)-1] != "session "+string(end) || last.Session.Reason != "why" {
			t.Errorf("%s: %v %+v", end, kinds, last)
		}
	}
}

func TestLaunch_OneThatRunsIsGivenBackAtOnce(t *testing.T) {
	h := newHarness(t)
	h.sessions.reused = true
	h.sessions.enter(session.Preparing, session.Prepared, session.Creating, session.Running)
	kinds, last := eventsOf(t, h.do(t, "POST", "/v1/sessions", launchBody, api.IdempotencyHeader, "k1"))
	if !slices.Equal(kinds, []string{"session RUNNING"}) || last.Created {
		t.Errorf("%v %+v", kinds, last)
	}
	if want := `uid 7 owner own: launch "t" key "k1" env true password ""`; h.fake.calls[0] != want {
		t.Errorf("asked %q, want %q", h.fake.calls[0], want)
	}
}

func TestLaunch_MaxWaitEndsTheTelling(t *testing.T) {
	h := newHarness(t)
	kinds, last := eventsOf(t, h.do(t, "POST", "/v1/sessions", `{"template":"t","overrides":{},"max_wait_seconds":1}`))
	if !slices.Equal(kinds, []string{"session PENDING"}) || last.Session.Waiting != "for slots" {
		t.Errorf("%v %+v", kinds, last)
	}
}

func TestLaunch_SecretsAreInNoLog(t *testing.T) {
	h := newHarness(t)
	h.do(t, "POST", "/v1/sessions", sessionRequests()["launch-session"].body)
	h.do(t, "POST", "/v1/sessions", `{"template":"t","overrides":{},"git":{"password":"hunter2","x":1}}`)
	if strings.Contains(h.log.String(), "hunter2") {
		t.Error(h.log.String())
	}
}

func TestEvents_OldOnesAndThoseToCome(t *testing.T) {
	h := newHarness(t)
	h.sessions.enter(session.Preparing)
	kinds, _ := eventsOf(t, h.do(t, "GET", "/v1/events", ""))
	if !slices.Equal(kinds, []string{"status PREPARING"}) {
		t.Errorf("without follow: %v", kinds)
	}
	done := make(chan []string)
	go func() {
		kinds, _ := eventsOf(t, h.do(t, "GET", "/v1/sessions/x/events?follow=true", "", "Last-Event-ID", "1"))
		done <- kinds
	}()
	for h.sessions.listening() == 0 {
	}
	// More than a listener keeps: it falls behind, and is given them from what is kept.
	for range 20 {
		h.sessions.tell(api.Event{Kind: api.EventNote})
	}
	h.sessions.enter(session.Error)
	got := <-done
	if len(got) < 21 || got[20] != "status ERROR" {
		t.Errorf("with follow: %v", got)
	}
}

func TestLogs_Lines(t *testing.T) {
	h := newHarness(t)
	text := ""
	for i, step := range []string{"bootstrap", "startup", "startup", "bootstrap"} {
		text += fmt.Sprintf("2026-01-02T03:04:0%d.000000000Z %s o line %d\n", i, step, i)
	}
	text += "2026-01-02T03:04:05.000000000Z startup e+ a\xffb\nnot in the format\n"
	if err := h.sessions.logged(t.TempDir(), text); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]string{
		"":                                     {"line 0", "line 1", "line 2", "line 3", "a\uFFFDb", "not in the format"},
		"?tail=1":                              {"not in the format"},
		"?tail=0":                              nil,
		"?step=bootstrap":                      {"line 0", "line 3"},
		"?step=startup&tail=2":                 {"line 2", "a\uFFFDb"},
		"?since=2026-01-02T03:04:03Z":          {"line 3", "a\uFFFDb"},
		"?step=bootstrap&tail=5&follow=true":   {"line 0", "line 3"},
		"?since=2026-01-02T03:04:05Z&tail=-1":  {"a\uFFFDb"},
		"?since=2026-01-02T03:04:05%2B00:00":   {"a\uFFFDb"},
		"?step=startup&tail=1&since=100000000": {"a\uFFFDb"},
	} {
		if strings.Contains(query, "follow") {
			h.sessions.enter(session.Error)
		}
		resp := h.do(t, "GET", "/v1/sessions/x/logs"+query, "")
		var got []string
		for line := range strings.Lines(bodyOf(t, resp)) {
			var l api.LogLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			if l.Text == "a\uFFFDb" && (string(l.Raw) != "a\xffb" || l.Stream != "stderr" || !l.Partial) {
				t.Errorf("%+v", l)
			}
			got = append(got, l.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestLogs_ThatAreNotThereAreEmpty(t *testing.T) {
	h := newHarness(t)
	if text := bodyOf(t, h.do(t, "GET", "/v1/sessions/x/logs", "")); text != "" {
		t.Errorf("got %q", text)
	}
	h.sessions.enter(session.Cancelled)
	if text := bodyOf(t, h.do(t, "GET", "/v1/sessions/x/logs?follow=true", "")); text != "" {
		t.Errorf("followed: got %q", text)
	}
}
