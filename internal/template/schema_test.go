package template

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("template.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("template.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is what an editor makes of the YAML of a text before it asks the schema: one value for each document. ok is false
// if there is no such value.
func asJSON(t testing.TB, text []byte) (values []any, ok bool) {
	t.Helper()
	r := &reader{source: newSource("", text)}
	trees, err := r.trees()
	if err != nil || len(r.problems) > 0 {
		return nil, false
	}
	for _, tree := range trees {
		values = append(values, asValue(t, tree.root))
	}
	if len(values) == 0 {
		values = []any{nil}
	}
	return values, true
}

func asValue(t testing.TB, n *node) any {
	t.Helper()
	switch n.kind {
	case mapping:
		m := map[string]any{}
		for _, f := range n.fields {
			m[f.key] = asValue(t, f.value)
		}
		return m
	case sequence:
		list := []any{}
		for _, item := range n.items {
			list = append(list, asValue(t, item))
		}
		return list
	default:
		var v any
		if err := (&yaml.Node{Kind: yaml.ScalarNode, Tag: n.tag, Value: n.text}).Decode(&v); err != nil {
			return n.text
		}
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return n.text
		}
		if text, err := json.Marshal(v); err == nil {
			if v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text)); err == nil {
				return v
			}
		}
		return n.text
	}
}

func TestSchema_RefusesWhatParseRefuses(t *testing.T) {
	s := compiledSchema(t)
	for _, f := range invalidFiles(t) {
		values, ok := asJSON(t, f.text)
		refused := slices.ContainsFunc(values, func(v any) bool { return s.Validate(v) != nil })
		switch {
		case f.beyond == "" && !ok:
			t.Errorf("%s has no JSON: mark it with '%s' and the reason", f.path, beyondPrefix)
		case f.beyond == "" && !refused:
			t.Errorf("%s is accepted by the schema", f.path)
		case f.beyond != "" && refused:
			t.Errorf("%s is refused by the schema: it is not beyond it", f.path)
		}
	}
}

func TestSchema_AcceptsWhatParseAccepts(t *testing.T) {
	s := compiledSchema(t)
	for _, path := range validFiles(t) {
		text := readFile(t, path)
		if _, err := Parse(filepath.Base(path), text); err != nil {
			t.Errorf("Parse: %v", err)
		}
		values, ok := asJSON(t, text)
		if !ok {
			t.Errorf("%s has no JSON", path)
		}
		for i, v := range values {
			if err := s.Validate(v); err != nil {
				t.Errorf("%s, document %d: %v", path, i, err)
			}
		}
	}
}

func validFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/valid/*")
	if err != nil || len(paths) < 15 {
		t.Fatalf("found %d valid files, %v; want at least 15", len(paths), err)
	}
	return append(paths, "testdata/sample.yaml")
}

// The schema and the parser have the same keys everywhere.
func TestSchema_HasTheKeysOfTheParser(t *testing.T) {
	var doc struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
		AnyOf      []json.RawMessage          `json:"anyOf"`
	}
	read := func(raw json.RawMessage) (o object) {
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	kernel, git, ext := read(doc.Defs["kernel"]), read(doc.Defs["git"]), read(doc.Defs["extension"])
	retry := read(ext.Properties["retry"])
	at := map[string]object{
		atRoot: read(doc.Defs["template"]), atMetadata: read(doc.Defs["metadata"]), atSpec: read(doc.Defs["spec"]),
		atKernel: kernel, atRun: read(kernel.Properties["run"]), atGit: git, atCredential: read(git.Properties["credential"]),
		atMount: read(doc.Defs["mount"]), atExtension: ext, atParam: read(doc.Defs["param"]), atClone: read(ext.Properties["git"]),
		atRetry: read(retry.AnyOf[1]), atScratch: read(ext.Properties["scratch"]),
	}
	for _, place := range places() {
		var got []string
		for name := range at[place].Properties {
			got = append(got, name)
		}
		want := spellings(place)
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("keys of %q (-parser +schema):\n%s", place, diff)
		}
	}
	for _, names := range architectures() {
		for _, name := range names {
			if !strings.Contains(string(Schema()), name) {
				t.Errorf("the schema does not know the architecture %s", name)
			}
		}
	}
}
