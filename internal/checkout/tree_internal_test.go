package checkout

import (
	"strings"
	"testing"
)

func TestParseTree_RefusesWhatNoGitSends(t *testing.T) {
	hash := strings.Repeat("h", 20)
	for text, want := range map[string]string{
		"100644 \x00" + hash:                  "is no name",
		"100644 a\x00" + hash[1:]:             "a tree's name",
		"100644 a":                            "a tree's name",
		"100644":                              "a tree's mode",
		"999999 a\x00" + hash:                 "a tree's mode",
		"0 a\x00" + hash:                      "a tree's mode",
		"100644 " + strings.Repeat("n", 5000): "a tree's name",
		"40000 a\x00" + hash + "100644 a.b\x00" + hash: "not in order",
	} {
		if _, err := parseTree([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	hash := strings.Repeat("h", 20)
	f.Add([]byte("100644 a\x00" + hash + "40000 b\x00" + hash))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseTree(text)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.name == "" || strings.ContainsAny(e.name, "/\x00") || strings.EqualFold(e.name, ".git") || e.mode == 0 {
				t.Errorf("accepted %q", e.name)
			}
		}
	})
}

func TestCheckName_AllowsWhatOnlyLooksLikeIt(t *testing.T) {
	for _, name := range []string{".gitignore", ".github", "git", ".git2", "a.git", "git~2", "...", " ", "CON", "con.txt", "a\\b", "x:y"} {
		if err := checkName(name, false); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAttributes_Patterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, file string
		want          bool
	}{
		{"*.c", "a/b.c", true}, {"*.c", "a/b.h", false}, {"/*.c", "b.c", true}, {"/*.c", "a/b.c", false},
		{"a/*.c", "a/b.c", true}, {"a/*.c", "x/a/b.c", false}, {"**/a/*.c", "x/y/a/b.c", true}, {"a/**", "a/b/c", true}, {"a/**", "a", false},
		{"a/**/z", "a/z", true}, {"a/**/z", "a/b/c/z", true}, {"a/**/z", "a/b/c/y", false}, {"**", "x/y", true}, {"**/z", "z", true},
		{"a**b", "axxb", true}, {"[ab].c", "b.c", true}, {"[!ab].c", "b.c", false}, {"?.c", "x.c", true}, {"\\*.c", "x.c", false},
		{"[", "[", false}, {"**/**/**/**/**/**/x", "a/b/c/d/e/f/g/h/i/y", false},
	} {
		a := parseAttributes(tt.pattern+" eol=crlf\n", "", nil)
		if got := a.eol(tt.file, func() {}) == eolCRLF; got != tt.want {
			t.Errorf("%s against %s: %t", tt.pattern, tt.file, got)
		}
	}
}

func TestScrub_TakesLoginsOut(t *testing.T) {
	for raw, want := range map[string]string{
		"https://u:p@h/x": "https://***@h/x", "https://h/x": "https://h/x", "git@h:x": "git@h:x",
		"https://u:p%zz@h/x": "https://***@h/x", "ssh://git@h/x": "ssh://git@h/x",
	} {
		if got := scrub(raw); got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
}

func TestResolveURL_Forms(t *testing.T) {
	for _, tt := range []struct{ base, rel, want string }{
		{"https://h/a/b.git", "../c.git", "https://h/a/c.git"}, {"https://h/a/b.git", "./c", "https://h/a/b.git/c"},
		{"https://h/a", "../../c", ""}, {"git@h:a/b.git", "../c.git", "git@h:a/c.git"}, {"git@h:b", "../../c", ""},
		{"ssh://git@h:22/a/b", "../c", "ssh://git@h:22/a/c"}, {"/srv/a.git", "../b.git", "/srv/b.git"}, {"https://h/a/b/", "../c", "https://h/a/c"},
	} {
		got, err := resolveURL(tt.base, tt.rel)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s + %s: %s, %v", tt.base, tt.rel, got, err)
		}
	}
}
