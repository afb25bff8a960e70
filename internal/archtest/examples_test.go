package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"agentd/internal/template"
	"agentd/internal/testenv"
)

// TestExamples_AreValid: people start from these files.
func TestExamples_AreValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.ModuleRoot(t), "configs", "templates", "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d examples, %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := template.Parse(filepath.Base(file), text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, d := range docs {
			for _, w := range d.Warnings {
				t.Errorf("%s: an example has a warning: %s", file, w)
			}
			names = append(names, d.Template.Metadata.Name)
			// A person who has read the name of the template finds the file, except for the documentation's own.
			want := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if got := d.Template.Metadata.Name; got != want && want != "session-template" {
				t.Errorf("%s: the template is called %s, not after its file", file, got)
			}
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(files) {
		t.Errorf("the examples cannot all be created together: names %v", names)
	}
}
