package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"agentd/internal/errs"
	"agentd/internal/resource"
)

const (
	reference = "../../configs/agentd.yaml"
	topKeys   = "agent, socket, state_dir, runtime_dir, engine, sessions, templates, resources, quotas, host_paths, git, audit, log"
)

func rootDefault() Config { return Default(0, "box", os.Getenv) }

func referenceText(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestReference_IsTheDefault(t *testing.T) {
	got, err := Load(reference, true, rootDefault())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rootDefault(), got); diff != "" {
		t.Errorf("configs/agentd.yaml does not say the defaults (-default +file):\n%s", diff)
	}
}

// The values of the file must be the defaults by themselves, not because the defaults lie beneath: so they are read over
// a configuration in which everything is different. Keys without a value tell their default in the comment.
func TestReference_SaysEveryDefault(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal(referenceText(t), &root); err != nil {
		t.Fatal(err)
	}
	got, err := Parse("x", referenceText(t), Config{
		StateDir: "/", RuntimeDir: "/", Socket: Socket{Path: "/", Mode: 1}, HostPaths: HostPaths{Allow: []string{"/x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	def := rootDefault()
	file, want := fields(reflect.ValueOf(&got).Elem(), ""), fields(reflect.ValueOf(&def).Elem(), "")
	for i, f := range want {
		key, value := find(root.Content[0], f.path)
		if key == nil {
			t.Errorf("configs/agentd.yaml lacks %s", f.path)
			continue
		}
		if key.HeadComment == "" {
			t.Errorf("configs/agentd.yaml has no comment above %s", f.path)
		}
		if value.Tag != "!!null" {
			if diff := cmp.Diff(f.value.Interface(), file[i].value.Interface()); diff != "" {
				t.Errorf("%s (-default +file):\n%s", f.path, diff)
			}
			continue
		}
		if !strings.Contains(key.HeadComment, "Default: ") {
			t.Errorf("%s is empty, and its comment does not tell the default", f.path)
		}
		if text := f.value.String(); f.value.Kind() == reflect.String && f.path != "agent.id" &&
			!strings.Contains(key.HeadComment, text) {
			t.Errorf("%s is empty, and its comment does not tell its default for root, %s", f.path, text)
		}
	}
}

// find returns the key and the value at a dotted path.
func find(n *yaml.Node, path string) (key, value *yaml.Node) {
	name, rest, deeper := strings.Cut(path, ".")
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && deeper {
			return find(n.Content[i+1], rest)
		}
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// keyTests has, for every key, a value other than the default and one that is refused, with the message.
func keyTests() map[string]struct{ good, want, bad, problem string } {
	type row = struct{ good, want, bad, problem string }
	mustAbs := `must be an absolute path, not "rel"`
	// The words of package resource are its own.
	not := func(_ any, err error) string { return err.Error() }
	return map[string]row{
		"agent.id":                   {"a-1", "a-1", "-a", `must be a name, not "-a"`},
		"agent.scaling_group":        {"gpu", "gpu", "''", `must be a name, not ""`},
		"socket.path":                {"/x/s", "/x/s", "rel", mustAbs},
		"socket.group":               {"docker", "docker", "[a]", "must be a single value, not a list"},
		"socket.mode":                {"0666", "-rw-rw-rw-", "'8'", `must be a mode in octal, such as 0660, not "8"`},
		"socket.admin_group":         {"wheel", "wheel", "{a: 1}", "must be a single value, not a mapping"},
		"state_dir":                  {"/s", "/s", "rel", mustAbs},
		"runtime_dir":                {"/r", "/r", "rel", mustAbs},
		"engine.host":                {"unix:///x.sock", "unix:///x.sock", "ssh://h", `must be unix:///PATH or tcp://HOST:PORT, not "ssh://h"`},
		"engine.pull_policy":         {"never", "never", "often", `must be missing, always or never, not "often"`},
		"engine.pull_timeout":        {"1h", "1h0m0s", "soon", not(resource.ParseDuration("soon"))},
		"engine.stall_timeout":       {"90s", "1m30s", "0s", "must be at least 1s"},
		"engine.local_images":        {"own", "own", "some", `must be all, guarded or own, not "some"`},
		"sessions.user":              {"1000:100", "1000:100", "root", `must be caller or UID, not "root"`},
		"sessions.network":           {"none", "none", "host", `must be isolated or none, not "host"`},
		"sessions.bootstrap_timeout": {"1d12h", "36h0m0s", "-1s", not(resource.ParseDuration("-1s"))},
		"sessions.stop_grace":        {"0s", "0s", "2h", "must be at most 1h"},
		"sessions.keep_records":      {"2w", "336h0m0s", "99999h", "must be at most 520w"},
		"sessions.leftover_grace":    {"5m", "5m0s", "0s", "must be at least 1s"},
		"sessions.keep_files":        {"30d", "720h0m0s", "600w", "must be at most 520w"},
		"sessions.log_max":           {"1g", "1g", "1k", "must be at least 64k"},
		"sessions.pids":              {"64", "64", "1.5", `must be a whole number, not "1.5"`},
		"sessions.defaults.cpu":      {"0.5", "0.5", "500m", not(resource.ParseCPU("500m"))},
		"sessions.defaults.mem":      {"64m", "64m", "64", not(resource.ParseBytes("64"))},
		"templates.keep_deleted":     {"1h", "1h0m0s", "never", not(resource.ParseDuration("never"))},
		"templates.keep_revisions":   {"2", "2", "1", "must be at least 2"},
		"resources.reserve.cpu":      {"1.5", "1.5", "two", not(resource.ParseCPU("two"))},
		"resources.reserve.mem":      {"0m", "0b", "all", not(resource.ParseBytes("all"))},
		"resources.gpus":             {"none", "none", "0", `must be auto or none, not "0"`},
		"resources.group":            {"agentd_b", "agentd_b", "a-b", `must be a name of small letters, digits and _, not "a-b"`},
		"quotas.sessions":            {"4", "4", "-1", "must be at least 0"},
		"quotas.cpu":                 {"1.5", "1.5", "two", not(resource.ParseCPU("two"))},
		"quotas.mem":                 {"1g", "1g", "all", not(resource.ParseBytes("all"))},
		"quotas.slots":               {"{cuda.device: 1}", "map[cuda.device:1]", "{cuda.device: -1}", "must be at least 0"},
		"quotas.pending":             {"10", "10", "1.5", `must be a whole number, not "1.5"`},
		"quotas.templates":           {"10", "10", "-1", "must be at least 0"},
		"quotas.vfolder_bytes":       {"1g", "1g", "all", not(resource.ParseBytes("all"))},
		"host_paths.named":           {"{data: {path: /d, readonly: true}}", "map[data:{/d true}]", "{data: {readonly: yes}}", `must be true or false, not "yes"`},
		"host_paths.allow":           {"[~/x, /srv]", "[~/x /srv]", "[rel]", `must be ~ or an absolute path, not "rel"`},
		"git.timeout":                {"1m", "1m0s", "0", "must be at least 1s"},
		"git.memory":                 {"1g", "1g", "1m", "must be at least 64m"},
		"git.cache_max":              {"0b", "0b", "big", not(resource.ParseBytes("big"))},
		"git.schemes":                {"[file]", "[file]", "[ftp]", `must be https, ssh, http, git or file, not "ftp"`},
		"git.ca_file":                {"/etc/ca.pem", "/etc/ca.pem", "ca.pem", `must be an absolute path, not "ca.pem"`},
		"git.instead_of":             {"{'https://a/': 'file:///b/'}", "map[https://a/:file:///b/]", "{'https://u:p@a/': 'https://b/'}", `must be a URL without a user, not "https://u:p@a/"`},
		"audit.max":                  {"1m", "1m", "1k", "must be at least 64k"},
		"log.level":                  {"debug", "debug", "loud", `must be debug, info, warn or error, not "loud"`},
		"log.format":                 {"json", "json", "xml", `must be auto, text, json or journal, not "xml"`},
	}
}

// nested writes one key with its parents.
func nested(path, value string) string {
	var b strings.Builder
	parts := strings.Split(path, ".")
	for i, part := range parts {
		b.WriteString(strings.Repeat("  ", i) + part + ":")
		if i < len(parts)-1 {
			b.WriteString("\n")
		}
	}
	return b.String() + " " + value + "\n"
}

func TestKeys_EachHasATest(t *testing.T) {
	def := rootDefault()
	rows := keyTests()
	for _, f := range fields(reflect.ValueOf(&def).Elem(), "") {
		row, ok := rows[f.path]
		if !ok {
			t.Errorf("no test for the key %s", f.path)
			continue
		}
		delete(rows, f.path)
		c, err := Parse("f", []byte(nested(f.path, row.good)), rootDefault())
		if err != nil {
			t.Errorf("%s: %s: %v", f.path, row.good, err)
			continue
		}
		if got := value(t, c, f.path); got != row.want {
			t.Errorf("%s: %s gives %s; want %s", f.path, row.good, got, row.want)
		}
		if f.path != "sessions.keep_files" && value(t, def, f.path) == row.want {
			t.Errorf("%s: the test's value is the default", f.path)
		}
		_, err = Parse("f", []byte(nested(f.path, row.bad)), rootDefault())
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || len(e.Problems) == 0 || e.Problems[0].Message != row.problem {
			t.Errorf("%s: %s: %v; want %s", f.path, row.bad, err, row.problem)
		}
	}
	for path := range rows {
		t.Errorf("a test for %s, which is no key", path)
	}
}

func value(t *testing.T, c Config, path string) string {
	t.Helper()
	for _, f := range fields(reflect.ValueOf(&c).Elem(), "") {
		if f.path == path {
			return strings.TrimSpace(fmt.Sprint(f.value.Interface()))
		}
	}
	t.Fatalf("no key %s", path)
	return ""
}

func TestParse_ListsEveryProblemInOrder(t *testing.T) {
	text := `sokcet: {path: /x}
sessions:
  pids: 4096
  pids: 1
  pidz: 5
  stop_grace: 2h
host_paths: {named: {data: {readonly: true}, "a b": {path: /x}}}
git: [a]
engine: &e
  host: unix:///x
zzzzzz: 1
`
	_, err := Parse("agentd.yaml", []byte(text), rootDefault())
	want := `the configuration is not valid
  agentd.yaml:1:1: sokcet: no such key: socket?
  agentd.yaml:4:3: sessions.pids: stands already at line 3
  agentd.yaml:5:3: sessions.pidz: no such key: pids?
  agentd.yaml:6:15: sessions.stop_grace: must be at most 1h
  agentd.yaml:7:28: host_paths.named.data: needs path
  agentd.yaml:7:46: host_paths.named.a b: must be a name, not "a b"
  agentd.yaml:8:6: git: must be a mapping of keys to values, not a list
  agentd.yaml:9:9: engine: anchors and aliases are not supported: write the value out
  agentd.yaml:11:1: zzzzzz: no such key; there are: ` + topKeys
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("code %s", errs.CodeOf(err))
	}
}

func TestParse_Documents(t *testing.T) {
	for name, row := range map[string]struct{ text, problem string }{
		"empty":       {"", ""},
		"comment":     {"# nothing\n", ""},
		"null":        {"~\n", ""},
		"two":         {"log: {level: info}\n---\nlog:\n", "f:2:1: a configuration is one document: this is a second one"},
		"scalar":      {"yes\n", `f:1:1: must be a mapping of keys to values, not "yes"`},
		"syntax":      {"log:\n\tlevel: info\n", "f:2:1: not YAML: found character that cannot start any token"},
		"nulls":       {"log:\n  level:\nsocket:\n", ""},
		"mergeKey":    {"<<: {log: {level: info}}\n", "f:1:1: <<: no such key; there are: " + topKeys},
		"bool as key": {"true: 1\n", "f:1:1: true: no such key; there are: " + topKeys},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f", []byte(row.text), rootDefault())
			if row.problem == "" {
				if err != nil || !cmp.Equal(c, rootDefault()) {
					t.Fatalf("%+v, %v; want the default", c, err)
				}
				return
			}
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || len(e.Problems) != 1 || e.Problems[0].String() != row.problem {
				t.Errorf("got %v\nwant %s", err, row.problem)
			}
		})
	}
}

func TestLoad_MissingFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "agentd.yaml")
	if c, err := Load(missing, false, rootDefault()); err != nil || !cmp.Equal(c, rootDefault()) {
		t.Errorf("the default file is missing: %+v, %v; want the default", c, err)
	}
	if _, err := Load(missing, true, rootDefault()); !errors.Is(err, os.ErrNotExist) || !errs.Is(err, errs.Invalid) {
		t.Errorf("a named file is missing: %v; want an error", err)
	}
}

func TestDefault_OrdinaryUser(t *testing.T) {
	env := map[string]string{"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"}
	c := Default(7, "Ünïcode box!", func(k string) string { return env[k] })
	if c.StateDir != "/home/u/.local/state/agentd" || c.Socket.Path != "/run/user/7/agentd/agentd.sock" ||
		c.Socket.Mode != 0o600 || c.Socket.Group != "" {
		t.Errorf("%+v", c)
	}
	if c.Agent.ID != "n-code-box-" {
		t.Errorf("agent id %q", c.Agent.ID)
	}
	if _, err := Parse("", nil, Default(7, "", func(string) string { return "" })); err == nil ||
		!strings.Contains(err.Error(), "state_dir: has no default without HOME in the environment: set it") {
		t.Errorf("without HOME: %v", err)
	}
}

func TestParse_SocketFollowsRuntimeDir(t *testing.T) {
	for text, want := range map[string]string{
		"runtime_dir: /r\n":                       "/r/agentd.sock",
		"runtime_dir: /r\nsocket: {path: /s/x}\n": "/s/x",
	} {
		c, err := Parse("f", []byte(text), rootDefault())
		if err != nil || c.Socket.Path != want {
			t.Errorf("%s: %s, %v; want %s", text, c.Socket.Path, err, want)
		}
	}
}

func TestReload_TakesWhatCanBeTaken(t *testing.T) {
	old := rootDefault()
	changed := rootDefault()
	changed.Log.Level, changed.Templates.KeepRevisions = "debug", 7
	changed.Templates.KeepDeleted = time.Hour
	changed.StateDir, changed.Git.Memory = "/other", resource.GiB
	changed.HostPaths.Allow = []string{"/x"}
	applied, restart := Reload(old, changed)
	want := rootDefault()
	want.Log.Level, want.Templates = "debug", changed.Templates
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"state_dir", "host_paths.allow", "git.memory"}, restart); diff != "" {
		t.Errorf("needs a restart (-want +got):\n%s", diff)
	}
	if _, restart := Reload(old, old); restart != nil {
		t.Errorf("nothing changed, yet %v need a restart", restart)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("log: {level: debug}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("host_paths: {named: {a: {path: /x}}}\n---\n..."))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Parse("f", text, rootDefault()); err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
