package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/session"
	"agentd/internal/template"
)

// asked parses the flags of create-from-template and returns the request as JSON.
func asked(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	a := &app{now: time.Now, Stdio: Stdio{In: strings.NewReader(in), Getenv: func(string) string { return "" }}}
	cmd := a.sessionLaunch("ctl launch")
	var l launchFlags
	cmd.ResetFlags()
	l.add(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return "", flagError(cmd, err)
	}
	req, err := l.request(cmd, a, "tpl")
	text, _ := json.Marshal(req)
	return string(text), err
}

func TestLaunchFlags(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "boot.sh")
	if err := os.WriteFile(script, []byte("echo boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                                  `{}`,
		"-t name --tag blue":                `{"name":"name","tag":"blue"}`,
		"--tag=":                            `{"tag":""}`,
		"-c true -i img:1":                  `{"image":"img:1","startup_command":"true"}`,
		"--startup-command=":                `{"startup_command":""}`,
		"--type batch":                      `{"type":"batch"}`,
		"--architecture arm64":              `{"architecture":"arm64"}`,
		"--sgroup x":                        `{"scaling_group":"x"}`,
		"--scaling-group x":                 `{"scaling_group":"x"}`,
		"--git-branch b --git-commit c":     `{"git_branch":"b","git_commit":"c"}`,
		"--pull never --timeout 2h":         `{"pull_policy":"never","timeout":"2h"}`,
		"--batch-timeout 0":                 `{"timeout":"0"}`,
		"-e A=1 -e B-":                      `{"environ":{"A":"1","B":null}}`,
		"-v d:/x -m e --volume f- -r cpu-":  `{"mounts":{"d":"/x","e":"","f":null},"resources":{"cpu":null}}`,
		"--param P=1 -r mem=4g":             `{"params":{"P":"1"},"resources":{"mem":"4g"}}`,
		"--no-mount --no-env --no-resource": `{"no_env":true,"no_mount":true,"no_resource":true}`,
		"--bootstrap-script " + script:      `{"bootstrap_script":"echo boot\n"}`,
		"--bootstrap-script -":              `{"bootstrap_script":"from stdin"}`,
		"-d default -g default":             `{}`,
	} {
		got, err := asked(t, "from stdin", strings.Fields(args)...)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		var request struct{ Overrides map[string]any }
		var wanted map[string]any
		if err := json.Unmarshal([]byte(got), &request); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, request.Overrides); diff != "" {
			t.Errorf("%q (-want +got)\n%s", args, diff)
		}
	}
	got, err := asked(t, "", "--revision", "3", "--no-reuse", "--enqueue-only", "--max-wait", "9")
	want := `{"template":"tpl","revision":3,"overrides":{},"no_reuse":true,"enqueue_only":true,"max_wait_seconds":9}`
	if got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestLaunchFlags_Refused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--type inference":             "want interactive or batch",
		"--pull sometimes":             "want missing, always, never",
		"--timeout soon":               "not a time span",
		"--revision 0":                 "not a number from 1",
		"--max-wait -1":                "not a number of seconds",
		"--wait --enqueue-only":        "exclude each other",
		"--wait --max-wait 3":          "exclude each other",
		"--wait --dry-run":             "exclude each other",
		"-d research":                  "one machine",
		"-g research":                  "one machine",
		"--cluster-size 2":             "one container",
		"-e =x":                        "has no name",
		"-v =":                         "nothing is named",
		"-r mem":                       "want SLOT=AMOUNT",
		"--param x":                    "want NAME=VALUE",
		"--priority high":              "invalid syntax",
		"--starts-at now":              "want a time such as",
		"--array 5-1":                  "1 is before 5",
		"--owner x":                    "unknown flag",
		"--bootstrap-script /nonexist": "no such file",
	} {
		_, err := asked(t, "", strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", args, err, want)
		}
		if !errs.Is(err, errs.Usage) && !strings.Contains(args, "nonexist") {
			t.Errorf("%q: code %s", args, errs.CodeOf(err))
		}
	}
}

func TestReferred_AsTheCaller(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for name, text := range map[string]string{"token": "s3cret\r\n", "empty": "\n", "long": "a\nb", "huge": strings.Repeat("x", maxSecret+1)} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{Stdio: Stdio{Getenv: func(name string) string {
		return map[string]string{"HOME": home, "TOKEN": "of env"}[name]
	}}}
	for written, want := range map[string]string{
		"literal":                       "",
		template.Marker:                 "",
		"${env:TOKEN}":                  "of env",
		"${file:~/token}":               "s3cret",
		"${file:" + home + "/token}":    "s3cret",
		"${env:NONE}":                   "error: there is no variable NONE here",
		"${file:~/none}":                "error: no such file",
		"${file:~/empty}":               "error: does not hold it on one line",
		"${file:~/long}":                "error: does not hold it on one line",
		"${file:~/huge}":                "error: does not hold it on one line",
		"${other:x}":                    "error: neither a literal nor a reference",
		"${file:/proc/self/nosuchfile}": "error: no such file",
	} {
		got, err := a.referred("password", written)
		if err != nil {
			got = "error: " + err.Error()
		}
		if wrong, ok := strings.CutPrefix(want, "error: "); ok && !strings.Contains(got, wrong) || !ok && got != want {
			t.Errorf("%s: got %q, want %q", written, got, want)
		}
	}
}

func TestRegistryOf(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"python":                         "docker.io",
		"library/python:3":               "docker.io",
		"docker.io/library/python":       "docker.io",
		"index.docker.io/python":         "docker.io",
		"cr.backend.ai/multiarch/python": "cr.backend.ai",
		"localhost/x":                    "localhost",
		"127.0.0.1:5000/team/app:v1":     "127.0.0.1:5000",
		"ghcr.io/a/b@sha256:00":          "ghcr.io",
		"Upper/x":                        "Upper",
	} {
		if got := registryOf(image); got != want {
			t.Errorf("%s: got %s, want %s", image, got, want)
		}
	}
	value := "ghcr.io"
	tpl := template.Template{Extension: template.Extension{Params: []template.Param{{Name: "REG", Default: &value}}}}
	if got := filledIn("${param:REG}/a:${param:V}", tpl, map[string]string{"V": "2"}); got != "ghcr.io/a:2" {
		t.Errorf("got %s", got)
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	code := 3
	for want, s := range map[string]api.Session{
		"":             {Status: session.Running, Result: session.Undefined},
		"exit 3":       {Status: session.Terminated, Result: session.Failure, ExitCode: &code, Reason: session.ReasonExit},
		"success":      {Status: session.Terminated, Result: session.Success},
		"oom":          {Status: session.Terminated, Result: session.Failure, ExitCode: &code, Reason: session.ReasonOOM},
		"user":         {Status: session.Cancelled, Result: session.Undefined, Reason: session.ReasonUser},
		"host-restart": {Status: session.Terminated, Result: session.Undefined, Reason: session.ReasonHostRestart},
	} {
		if got := outcome(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestJobExit(t *testing.T) {
	t.Parallel()
	code, zero := 3, 0
	for want, s := range map[int]api.Session{
		0:        {Status: session.Terminated, ExitCode: &zero},
		3:        {Status: session.Terminated, ExitCode: &code},
		exitOurs: {Status: session.Error, ExitCode: &code},
	} {
		if _, got := failing(jobExit(s)); got != want {
			t.Errorf("%+v: %d, want %d", s, got, want)
		}
	}
	for _, s := range []session.Status{session.Terminated, session.Cancelled} {
		if _, got := failing(jobExit(api.Session{Status: s})); got != exitOurs {
			t.Errorf("%s, nobody saw the end: %d", s, got)
		}
	}
}

func TestSessionTable_FitsTheTerminal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &app{now: func() time.Time { return now }}
	sessions := []api.Session{{
		ID: "s0123456789", Name: strings.Repeat("long", 16), Status: session.Terminating, Type: "interactive",
		Image:     "registry.example.org/a/very/long/repository/with/many/parts/python:3.9-ubuntu20.04",
		CreatedAt: now.Add(-time.Hour), OwnerUID: 4000000000,
	}}
	for _, q := range []api.SessionQuery{{}, {Ended: true}, {AllUsers: true}, {Ended: true, AllUsers: true}} {
		text := a.sessionTable(q, sessions).render(80)
		for line := range strings.Lines(text) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%+v: %d columns: %s", q, n, line)
			}
		}
		if !strings.Contains(text, "s0123456789") || !strings.Contains(text, "TERMINATING") {
			t.Errorf("%+v: the id or the status was cut:\n%s", q, text)
		}
	}
}

func TestSessionJSON_FieldsAreWhatScriptsKnow(t *testing.T) {
	t.Parallel()
	s := strings.Fields(`id name tag owner_uid type status result reason exit_code template.id template.name
		template.revision template.owner_uid image architecture created_at started_at ended_at waiting position
		queue.sequence queue.priority queue.starts_at queue.after.id queue.after.name queue.after.any queue.after.outcome
		queue.array.id queue.array.name queue.array.index queue.array.count queue.array.parallel
		queue.retry.max queue.retry.done queue.retry.on queue.retry.due queue.remove`)
	v := strings.Fields("name owner_uid path external created_at")
	for _, tc := range []struct {
		of   any
		want []string
	}{
		{sessionsOutput{}, join([]string{"schema_version"}, under("sessions", s))},
		{launchOutput{}, join([]string{"schema_version", "created"}, under("session", s))},
		{sessionHistoryOutput{}, join([]string{"schema_version", "id"},
			under("history", strings.Fields("sequence status time reason message")))},
		{vfoldersOutput{}, join([]string{"schema_version"}, under("vfolders", v))},
		{api.Doctor{}, join([]string{"schema_version"}, under("findings", strings.Fields("check status detail fix")))},
		{api.LogLine{}, join(strings.Fields("time step stream text raw partial"), under("problem",
			join(strings.Fields("type title status detail code hint request_id"),
				under("problems", strings.Fields("file line column path rule message")))))},
	} {
		got := fields(reflect.TypeOf(tc.of), "")
		slices.Sort(got)
		slices.Sort(tc.want)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%T (-want +got)\n%s", tc.of, diff)
		}
	}
}
