package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckTarget(t *testing.T) {
	for in, want := range map[string]string{
		"data": "/home/work/data", "data/": "/home/work/data", "./a//b/../c": "/home/work/a/c", "/data": "/data", "//data/": "/data",
		"/home/work/x": "/home/work/x", "/home/other": "/home/other", "/usr/local/share": "/usr/local/share", "/etc/ssl": "/etc/ssl",
		"/etc/passwd.d": "/etc/passwd.d", "/var/lib/x": "/var/lib/x", "/library/x": "/library/x", "/lib/x": "/lib/x",
		"/proc/../opt/x": "/opt/x", "a b": "/home/work/a b", "..a": "/home/work/..a", "/devices": "/devices", "/.agentd2": "/.agentd2",
	} {
		if got, err := CheckTarget(in); err != nil || got != want {
			t.Errorf("CheckTarget(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	refused := []string{
		"", ".", "./", "a/..", "..", "../work/x", "a/../../x", "/", "//", "/..", "/etc/../", "/home/work/", "/home/work/../work",
		"/libx32", "/lib64/", "/usr/bin", "/var/run", "/proc/1/root", "/dev/null", "/sys", "/.agentd/x", "/etc/group", "/opt/../etc/passwd",
		"~", "~/x", "a:b", "a\x00b", "a\nb", "a\u0085b",
	}
	for _, pattern := range append(reservedPaths(), reservedTrees()...) {
		refused = append(refused, strings.ReplaceAll(pattern, "*", "x"))
	}
	for _, in := range refused {
		if got, err := CheckTarget(in); err == nil {
			t.Errorf("CheckTarget(%q) = %q; want it refused", in, got)
		}
	}
}

func TestCheckRepository(t *testing.T) {
	for in, noted := range map[string]bool{
		"https://github.com/lablup/backend.ai": false, "https://example.com:8443/a/b.git/": false, "HTTPS://example.com/a": false,
		"ssh://git@example.com/a": false, "ssh://example.com:22/~/a": false, "git@github.com:a/b.git": false, "host:a": false,
		"user.name@host:/abs/path": false, "https://[::1]/a": false, "https://example.com/a?b=c": false,
		"http://example.com/a": true, "git://example.com/a": true, "file:///srv/a.git": true, "file://localhost/srv/a": true, "/srv/a": true,
	} {
		if note, err := CheckRepository(in); err != nil || (note != "") != noted {
			t.Errorf("CheckRepository(%q) = %q, %v; want a note: %t", in, note, err, noted)
		}
	}
	for _, in := range []string{
		"", "a", "./a", "../a", "example.com/a", "ftp://h/a", "ext::sh -c x", "https://", "https://h", "https://h/", "https:///a",
		"https://u:p@h/a", "https://u@h/a", "http://u@h/a", "ssh://u:p@h/a", "ssh://-oProxyCommand=x/a", "-oProxyCommand=x:a", "u@-h:a",
		"@h:a", "u@:a", "h:", "h:/", "a@b@c:d", "u:p@h:a", "https://h/a b", "https://h/a\n", "https://h/%zz", "--upload-pack=x", "/", "file:///",
		"file://h/a", "https://h/a#b", "/.git", "c:\\a b",
	} {
		note, err := CheckRepository(in)
		if err == nil {
			t.Errorf("CheckRepository(%q) = %q; want it refused", in, note)
		} else if strings.Contains(in, ":p@") && strings.Contains(err.Error(), "p@") {
			t.Errorf("CheckRepository(%q) tells the password: %v", in, err)
		}
	}
}

func TestCheckBranch(t *testing.T) {
	for name, ok := range map[string]bool{
		"main": true, "22.03": true, "feature/x-1": true, "v1.0": true, "refs/heads/a": true, "größe": true, "a@b": true, "#1": true,
		"": false, "@": false, "-f": false, "a b": false, "a..b": false, "a.": false, ".a": false, "a/.b": false, "a/": false, "/a": false,
		"a//b": false, "a.lock": false, "a.lock/b": false, "a@{1}": false, "a~1": false, "a^": false, "a:b": false, "a?": false, "a*": false,
		"a[b": false, `a\b`: false, "a\x7fb": false,
	} {
		if err := CheckBranch(name); (err == nil) != ok {
			t.Errorf("CheckBranch(%q) = %v; want ok: %t", name, err, ok)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "template1234": true, "größe 2": true, "a.b_c-d": true, "...": true, "😀": true, strings.Repeat("é", 128): true,
		"": false, " a": false, "a ": false, "-": false, "-a": false, ".": false, "..": false, "a/b": false, "a\nb": false, "a\u200b": false,
		"a\u202eb": false, "\xff": false, strings.Repeat("é", 129): false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v; want ok: %t", name, err, ok)
		}
	}
}

func TestParseReference(t *testing.T) {
	for _, row := range []struct {
		in     string
		want   Reference
		ok     bool
		failed bool
	}{
		{"${env:TOKEN}", Reference{FromEnv, "TOKEN"}, true, false},
		{"${file:/run/secrets/a b}", Reference{FromFile, "/run/secrets/a b"}, true, false},
		{"${file:~/.token}", Reference{FromFile, "~/.token"}, true, false},
		{"${credential:git.token}", Reference{FromCredential, "git.token"}, true, false},
		{"${credential:}", Reference{}, false, true},
		{"${credential:..}", Reference{}, false, true},
		{"${credential:a/b}", Reference{}, false, true},
		{"literal", Reference{}, false, false},
		{"a${env:TOKEN}", Reference{}, false, false},
		{Marker, Reference{}, false, false},
		{"${env:1A}", Reference{}, false, true},
		{"${env:}", Reference{}, false, true},
		{"${file:relative}", Reference{}, false, true},
		{"${param:A}", Reference{}, false, true},
		{"${}", Reference{}, false, true},
	} {
		got, ok, err := ParseReference(row.in)
		if got != row.want || ok != row.ok || (err != nil) != row.failed {
			t.Errorf("ParseReference(%q) = %+v, %t, %v; want %+v, %t, an error: %t", row.in, got, ok, err, row.want, row.ok, row.failed)
		}
	}
}

func TestCutMode(t *testing.T) {
	for in, want := range map[string]Mount{
		"a": {Target: "a"}, "a:ro": {Target: "a", ReadOnly: true}, "a:rw": {Target: "a"}, ":ro": {ReadOnly: true}, "a:rox": {Target: "a:rox"},
	} {
		if target, readOnly := CutMode(in); target != want.Target || readOnly != want.ReadOnly {
			t.Errorf("CutMode(%q) = %q, %t; want %q, %t", in, target, readOnly, want.Target, want.ReadOnly)
		}
	}
}

func TestMount_DefaultTarget(t *testing.T) {
	for key, want := range map[string]string{
		"data": "/home/work/data", "data/sub/dir": "/home/work/data", "/srv/shared/": "/home/work/shared", ".logs": "/home/work/.logs",
	} {
		if got := (Mount{Key: key}).DefaultTarget(); got != want {
			t.Errorf("DefaultTarget of %q = %q; want %q", key, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	for written, want := range map[string]string{
		"sesionType": "session_type", "sessiontype": "session_type", "session-type": "session_type", "kernal": "kernel", "Kernel": "kernel",
		"resuorces": "resources", "agents": "agent_list", "mount": "mounts", "scalinggroup": "scaling_group", "x": "", "": "",
		"completely": "", strings.Repeat("a", 100): "",
	} {
		if got := nearest(written, spellings(atSpec)); got != want {
			t.Errorf("nearest(%q) = %q; want %q", written, got, want)
		}
	}
	for _, place := range places() {
		for _, word := range spellings(place) {
			if got := nearest(word+"x", spellings(place)); got == "" {
				t.Errorf("nearest(%q) finds nothing at %q", word+"x", place)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	for src, want := range map[string][]string{
		"":                        {""},
		"a\n":                     {"a\n"},
		"---\na\n---\nb\n":        {"---\na\n", "---\nb\n"},
		"# c\n---\na\n":           {"# c\n---\na\n"},
		"%YAML 1.1\n---\na\n":     {"%YAML 1.1\n---\na\n"},
		"a\n...\n# c\n---\nb":     {"a\n...\n", "# c\n---\nb"},
		"a: |\n  ---\n--- b\n---": {"a: |\n  ---\n", "--- b\n", "---"},
		"---a\n----\n":            {"---a\n----\n"},
		"a\r\n---\r\nb\r\n":       {"a\r\n", "---\r\nb\r\n"},
		"\ufeff---\na\n---\n":     {"---\na\n", "---\n"},
	} {
		s := newSource("", []byte(src))
		var got []string
		for _, c := range split(s) {
			got = append(got, src[c.start:c.end])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("split(%q) (-want +got):\n%s", src, diff)
		}
	}
}
