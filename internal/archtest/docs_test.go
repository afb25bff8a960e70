package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"agentd/internal/api"
	"agentd/internal/testenv"
)

// opening is how a package comment begins: one sentence, so that it can stand in a list.
var opening = regexp.MustCompile(`^(Package|Command) (\S+) [^\n]*(\n[^\n]+)*?\.(\s|$)`)

func TestDocs_OnePackageCommentEach(t *testing.T) {
	for _, p := range packages(t) {
		var comments []string
		for _, f := range p.files {
			if f.syntax.Doc != nil {
				comments = append(comments, f.syntax.Doc.Text())
			}
		}
		if len(comments) != 1 {
			t.Errorf("package %s has %d package comments, want 1", p.path, len(comments))
			continue
		}
		kind, name := "Package", p.Name
		if p.Name == "main" {
			kind, name = "Command", filepath.Base(p.path)
		}
		m := opening.FindStringSubmatch(comments[0])
		if m == nil || m[1] != kind || m[2] != name {
			t.Errorf("package %s: its comment must open with a sentence '%s %s is …': %q", p.path, kind, name, comments[0])
		}
	}
}

func TestDocs_ErrorTableIsThatOfTheCode(t *testing.T) {
	text := read(t, "docs", "errors.md")
	var rows []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, c := range api.Codes() {
		status := "–"
		if c.Status != 0 {
			status = fmt.Sprint(c.Status)
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %d | %s |", c.Code, status, c.Exit, c.Title))
	}
	for i, row := range rows {
		// The last cell, what to do, is for people alone.
		cells := strings.Split(row, " | ")
		rows[i] = strings.Join(cells[:min(4, len(cells))], " | ") + " |"
	}
	if !slices.Equal(rows, want) {
		t.Errorf("docs/errors.md has\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

// links matches the target of a link in Markdown.
var links = regexp.MustCompile(`\]\(([^)#\s]+)`)

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	root := testenv.ModuleRoot(t)
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "SECURITY.md", "internal/README.md"} {
		docs = append(docs, filepath.Join(root, name))
	}
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range links.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", doc, m[1], err)
			}
		}
	}
}

// TestDocs_MapNamesWhatIsThere: what the map says in code type that looks like a path of the tree has to exist.
func TestDocs_MapNamesWhatIsThere(t *testing.T) {
	root := testenv.ModuleRoot(t)
	var coming []string
	for name, r := range houseMap(t) {
		if r.coming {
			coming = append(coming, name)
		}
	}
	text := read(t, "internal", "README.md")
	for _, path := range code(text) {
		first, _, isPath := strings.Cut(path, "/")
		if !isPath || strings.ContainsAny(path, " {}*$<>") || path[0] == '/' ||
			!slices.Contains([]string{"agentd", "ctl", "internal", "systemd", "configs", "docs", "test", ".ci"}, first) {
			continue
		}
		if slices.ContainsFunc(coming, func(name string) bool {
			return strings.HasPrefix(strings.TrimPrefix(path, "internal/"), name)
		}) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("internal/README.md names %s: %v", path, err)
		}
	}
}

// constants returns the names of the exported constants of a package that begin with prefix.
func constants(p *pkg, prefix string) []string {
	var found []string
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, prefix) {
					found = append(found, v.Names[0].Name)
				}
			}
		}
	}
	return found
}
