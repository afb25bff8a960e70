package template

import (
	"errors"
	"reflect"
	"testing"

	"agentd/internal/errs"
)

// FuzzParse: it never panics; every error has problems with places; what it accepts, the schema accepts; each text says
// alone what it said with the others; its secrets come off and on again; and it can be renamed.
func FuzzParse(f *testing.F) {
	for _, path := range validFiles(f) {
		f.Add(readFile(f, path))
	}
	for _, piece := range []string{"hunter2", "'a''b'", `"\x41"`, "|\n          a", "*a"} {
		f.Add([]byte(withPassword(piece)))
	}
	f.Add([]byte("- - - ? : - [}"))
	s := compiledSchema(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		docs, err := Parse("f", src)
		if err != nil {
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != errs.TooLarge && (e.Code != errs.Invalid || len(e.Problems) == 0) {
				t.Fatalf("Parse(%q) = %#v", src, err)
			}
			for _, p := range e.Problems {
				if p.Line < 1 || p.Column < 1 || p.Rule == "" || p.Message == "" {
					t.Fatalf("Parse(%q) has the problem %+v", src, p)
				}
			}
			return
		}
		values, _ := asJSON(t, src)
		for _, v := range values {
			if err := s.Validate(v); err != nil {
				t.Fatalf("the schema refuses what Parse accepts: %v\n%q", err, src)
			}
		}
		for _, d := range docs {
			checkDocument(t, d)
		}
	})
}

func checkDocument(t *testing.T, d Document) {
	t.Helper()
	again, err := ParseOne("f", d.Text)
	if err != nil || !reflect.DeepEqual(again.Template, d.Template) {
		t.Fatalf("the text %q says alone %+v, %v; want %+v", d.Text, again.Template, err, d.Template)
	}
	redacted, secrets, err := d.Redact()
	if err == nil {
		revealed, err := Reveal(redacted, secrets)
		if err != nil || string(revealed) != string(d.Text) {
			t.Fatalf("Redact and Reveal of %q give %q, %v", d.Text, revealed, err)
		}
		if d, err := ParseOne("f", redacted); err != nil || len(secrets) > 0 && len(d.Kept()) != 1 {
			t.Fatalf("redacted %q: %v", redacted, err)
		}
	} else if !errs.Is(err, errs.Invalid) {
		t.Fatalf("Redact of %q = %v", d.Text, err)
	}
	if renamed, err := Rename(d.Text, "another: name"); err == nil {
		again, err := ParseOne("f", renamed)
		again.Template.Metadata.Name = d.Template.Metadata.Name
		if err != nil || !reflect.DeepEqual(again.Template, d.Template) {
			t.Fatalf("renamed %q: %v", renamed, err)
		}
	} else if !errs.Is(err, errs.Invalid) {
		t.Fatalf("Rename of %q = %v", d.Text, err)
	}
}
