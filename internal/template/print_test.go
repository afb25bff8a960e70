package template

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestYAML_HasTheValuesOfTheJSON(t *testing.T) {
	t.Parallel()
	in := `{
		"b": "22.03", "a": 22.03, "yes": "yes", "null": "null", "t": true, "n": null, "empty": "", "list": [], "map": {},
		"time": "2026-01-02T03:04:05Z", "text": "one\ntwo\n", "esc": "\u001b\u202e", "colon": "a: b", "octal": "0o17",
		"nested": [{"x": ["1", 1]}]
	}`
	text, err := YAML([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(in), &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	// Through JSON again: YAML tells whole numbers from others.
	back, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(back, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s\nYAML:\n%s", diff, text)
	}
	if _, err := YAML([]byte("{")); err == nil {
		t.Error("half a document was printed")
	}
}

func TestYAML_KeepsTheOrderAndReadsWell(t *testing.T) {
	t.Parallel()
	text, err := YAML([]byte(`{"schema_version": 1, "templates": [{"name": "x", "tag": "1.0"}], "a": {"b": "c"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "schema_version: 1\ntemplates:\n  - name: x\n    tag: \"1.0\"\na:\n  b: c\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
