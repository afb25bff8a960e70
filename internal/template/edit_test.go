package template

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"agentd/internal/errs"
)

// withPassword is a template with a piece of text in the place of the password.
func withPassword(piece string) string {
	return "# hunter2 is the password\napi_version: v1\nkind: taskTemplate\nmetadata: {name: hunter2}\nspec:\n  kernel:\n" +
		"    image: a\n    environ: {COPY: hunter2}\n    git:\n      repository: https://example.com/hunter2\n" +
		"      credential:\n        username: hunter2\n        password: " + piece + "\n"
}

func TestRedact(t *testing.T) {
	const jsonText = `{"api_version": "v1", "kind": "taskTemplate", "metadata": {"name": "a"}, "spec": {"kernel": {"image": "a",` +
		` "git": {"repository": "https://example.com/a", "credential": {"username": "é😀", "password": %s}}}}}`
	inFlow := "{api_version: v1, kind: taskTemplate, metadata: {name: é}, spec: {kernel: {image: a, git: {repository: 'git@h:a', " +
		"credential: {username: é😀, password: %s}}}}}\n"
	for _, row := range []struct{ name, text, redacted, secret string }{
		{"plain", withPassword("hunter2"), withPassword(Marker), "hunter2"},
		{"plain with blanks", withPassword("a b  c"), withPassword(Marker), "a b  c"},
		{"plain with a comment", withPassword("hunter2 # hunter2"), withPassword(Marker + " # hunter2"), "hunter2"},
		{"plain with a dollar", withPassword("a${b}c"), withPassword(Marker), "a${b}c"},
		{"plain number", withPassword("007"), withPassword(Marker), "007"},
		{"single quotes", withPassword("'it''s: # hunter2'"), withPassword("'" + Marker + "'"), "'it''s: # hunter2'"},
		{"double quotes", withPassword(`"a\"b\\"  # "c"`), withPassword(`"` + Marker + `"  # "c"`), `"a\"b\\"`},
		{"escapes", withPassword(`"\x41\u00e9\U0001F600\t"`), withPassword(`"` + Marker + `"`), `"\x41\u00e9\U0001F600\t"`},
		{
			"crlf", strings.ReplaceAll(withPassword("hunter2"), "\n", "\r\n"),
			strings.ReplaceAll(withPassword(Marker), "\n", "\r\n"), "hunter2",
		},
		{"json", fmt.Sprintf(jsonText, `"p\/\ud83d\ude00\""`), fmt.Sprintf(jsonText, `"`+Marker+`"`), `"p\/\ud83d\ude00\""`},
		{"json number", fmt.Sprintf(jsonText, `1.50`), fmt.Sprintf(jsonText, `"`+Marker+`"`), `1.50`},
		{"flow, after unicode", fmt.Sprintf(inFlow, `hunter2`), fmt.Sprintf(inFlow, `"`+Marker+`"`), `hunter2`},
		{"after a line separator", withPassword("hunter2") + "x-a: 'b\u2028c'\n", withPassword(Marker) + "x-a: 'b\u2028c'\n", "hunter2"},
		{"byte order mark", "\ufeff" + withPassword("hunter2"), "\ufeff" + withPassword(Marker), "hunter2"},
		{"marker", withPassword(Marker), withPassword(Marker), ""},
		{"environment", withPassword("${env:TOKEN}"), withPassword("${env:TOKEN}"), ""},
		{"file", withPassword("${file:~/.token}"), withPassword("${file:~/.token}"), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, err := ParseOne("", []byte(row.text))
			if err != nil {
				t.Fatal(err)
			}
			redacted, secrets, err := d.Redact()
			if err != nil || string(redacted) != row.redacted || secrets[pathPassword] != row.secret {
				t.Fatalf("Redact = %q, %q, %v; want %q, %q", redacted, secrets, err, row.redacted, row.secret)
			}
			if again, err := ParseOne("", redacted); err != nil || row.secret != "" && len(again.Kept()) != 1 {
				t.Errorf("ParseOne of the redacted text: %v, kept %q", err, again.Kept())
			}
			revealed, err := Reveal(redacted, secrets)
			if err != nil || string(revealed) != row.text {
				t.Errorf("Reveal = %q, %v; want %q", revealed, err, row.text)
			}
		})
	}
}

func TestRedact_NotOnOneLine(t *testing.T) {
	for name, piece := range map[string]string{
		"block": "|\n          hunter2", "folded": ">-\n          hunter2", "alias": "*pw", "anchor": "&a hunter2",
		"tag": "!!str hunter2", "two lines": "hunter2\n          more", "two quoted lines": "\"hunter2\n          more\"",
	} {
		d, err := ParseOne("f.yaml", []byte(withPassword(piece)+"x-a: &pw literal\n"))
		if name == "alias" {
			d, err = ParseOne("f.yaml", []byte("x-a: &pw literal\n"+withPassword(piece)))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, _, err = d.Redact()
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Code != errs.Invalid || len(e.Problems) != 1 || e.Problems[0].Rule != "not-on-one-line" ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: Redact = %v; want a problem that does not tell the secret", name, err)
		}
	}
}

// What comes back with a marker may be in another style than the literal came from.
func TestReveal_IntoAnotherStyle(t *testing.T) {
	flow := "{api_version: v1, kind: taskTemplate, metadata: {name: a}, spec: {kernel: {image: a, git: {repository: 'git@h:a', " +
		"credential: {username: a, password: '" + Marker + "'}}}}}\n"
	revealed, err := Reveal([]byte(flow), Secrets{pathPassword: "a, b}"})
	if want := strings.Replace(flow, "'"+Marker+"'", `"a, b}"`, 1); err != nil || string(revealed) != want {
		t.Errorf("Reveal = %q, %v; want %q", revealed, err, want)
	}
	for name, secrets := range map[string]Secrets{"none": nil, "another path": {"spec.kernel.image": "x"}} {
		if got, err := Reveal([]byte(flow), secrets); err != nil || string(got) != flow {
			t.Errorf("Reveal with %s = %q, %v; want the text as it is", name, got, err)
		}
	}
	if _, err := Reveal([]byte(flow), Secrets{pathPassword: `"`}); !errs.Is(err, errs.Damaged) {
		t.Errorf("Reveal with a damaged secret = %v", err)
	}
}

func TestRename(t *testing.T) {
	text := func(piece string) string {
		return "# a\napi_version: v1\nkind: taskTemplate\nmetadata:\n  name: " + piece + " # a\n  tag: a\nspec: {kernel: {image: a}}\n"
	}
	for _, row := range []struct{ before, name, after string }{
		{"a", "b", "b"}, {"a", "b: c", `"b: c"`}, {"a", "22.03", "22.03"}, {"a", "~", `"~"`}, {"a", "größe", "größe"},
		{"a", "# x", `"# x"`}, {"'a'", "it's", "'it''s'"}, {`"a"`, `x"y\z<`, `"x\"y\\z<"`}, {"a", "a", "a"},
	} {
		got, err := Rename([]byte(text(row.before)), row.name)
		if want := text(row.after); err != nil || string(got) != want {
			t.Errorf("Rename to %q = %q, %v; want %q", row.name, got, err, want)
		}
		if d, err := ParseOne("", got); err != nil || d.Template.Metadata.Name != row.name {
			t.Errorf("after Rename to %q the name is %q, %v", row.name, d.Template.Metadata.Name, err)
		}
	}
	if _, err := Rename([]byte(text("a")), "b/c"); !errs.Is(err, errs.Invalid) {
		t.Errorf("Rename to an impossible name = %v", err)
	}
	if _, err := Rename([]byte(text("&n a")), "b"); !errs.Is(err, errs.Invalid) {
		t.Errorf("Rename of a name with an anchor = %v", err)
	}
}
