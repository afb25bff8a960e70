package cli

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The fields of the JSON that scripts read, typed again on purpose: a change of a type in package api that renames or
// drops one must not slip through. New ones are added here.
func TestJSON_FieldsAreWhatScriptsKnow(t *testing.T) {
	t.Parallel()
	tpl := strings.Fields(`id name tag owner_uid revision created_at updated_at deleted_at purge_at type image architecture
		description labels has_secrets`)
	problem := strings.Fields(`file line column path rule message`)
	for _, tc := range []struct {
		of   any
		want []string
	}{
		{listOutput{}, join([]string{"schema_version"}, under("templates", tpl))},
		{getOutput{}, join([]string{"schema_version"}, under("template", tpl), []string{"text", "text_revision"})},
		{writtenOutput{}, join([]string{"schema_version", "written.action"}, under("written.template", tpl),
			under("written.warnings", problem))},
		{historyOutput{}, join([]string{"schema_version", "id"},
			under("revisions", strings.Fields("revision cause time author_uid name size sha256")))},
		{diffOutput{}, strings.Fields("schema_version from to equal diff")},
		{validateOutput{}, join([]string{"schema_version", "valid"},
			under("templates", strings.Fields("file name line")), under("templates.warnings", problem),
			under("problems", problem))},
		{versionOutput{}, strings.Fields("schema_version client daemon")},
	} {
		got := fields(reflect.TypeOf(tc.of), "")
		slices.Sort(got)
		slices.Sort(tc.want)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%T (-want +got)\n%s", tc.of, diff)
		}
	}
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

func under(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + "." + n
	}
	return out
}

// fields lists the paths of the leaves that a type has as JSON.
func fields(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	var all []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			all = append(all, fields(f.Type, prefix)...)
		case name == "":
			all = append(all, prefix+"!"+f.Name+" has no name")
		default:
			all = append(all, fields(f.Type, prefix+name+".")...)
		}
	}
	return all
}

func TestMarshal_EscapesAndStaysTheSame(t *testing.T) {
	t.Parallel()
	in := map[string]string{"text": "a<b>&\x1b\u009b\u202e\U000e0041\u2028 한글\n\x7f"}
	text, err := marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(strings.ReplaceAll(string(text), "\n", ""), hostile); i >= 0 {
		t.Errorf("a terminal would obey this: %q", text)
	}
	if !strings.Contains(string(text), "a<b>&") {
		t.Errorf("HTML was escaped: %s", text)
	}
	var out map[string]string
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
