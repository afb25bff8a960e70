package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"agentd/internal/testenv"
)

// TestTop_HoldsOnlyWhatThePlanHas: a root that grows is a house without rooms.
func TestTop_HoldsOnlyWhatTheDesignHas(t *testing.T) {
	allowed := []string{
		"agentd", "ctl", "internal", "systemd", "configs", "go.mod", "Makefile",
		"go.sum", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "docs", "test",
		".ci", ".golangci.yml", ".gitignore", ".git",
		"bin", // ignored by git: what make build leaves
	}
	entries, err := os.ReadDir(testenv.ModuleRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top of the tree", e.Name())
		}
	}
}

func TestMains_AreADoor(t *testing.T) {
	for _, path := range []string{"agentd", "ctl"} {
		p := lookup(t, path)
		if len(p.files) != 1 || p.files[0].lines > 21 {
			t.Errorf("%s: main is one file of at most 20 lines, so that all else can be imported by tests", path)
		}
	}
}

func TestRules_NoInitFunctions(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, decl := range f.syntax.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: init() runs in every program that imports this, asked or not", at(fn))
				}
			}
		}
	}
}

// TestRules_BannedCalls holds what would be found too late. The linter bans more; this needs no linter.
func TestRules_BannedCalls(t *testing.T) {
	banned := map[string]string{
		"os.RemoveAll":        "it deletes through live mounts: use package removetree",
		"time.Sleep":          "wait for the event, with a bound",
		"context.TODO":        "pass the caller's context",
		"fmt.Print":           "write to the stream that you were given",
		"fmt.Println":         "write to the stream that you were given",
		"fmt.Printf":          "write to the stream that you were given",
		"git.PlainClone":      "not cancellable, and it takes the memory of a whole repository",
		"log.Fatal":           "return the error",
		"http.ListenAndServe": "agentd serves its socket and nothing else",
	}
	for _, p := range product(t) {
		for _, f := range p.files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if why, bad := banned[qualified(sel)]; bad {
						t.Errorf("%s: %s: %s", at(sel), qualified(sel), why)
					}
				}
				return true
			})
		}
	}
}

// qualified is pkg.Name for a selector on a plain name, and empty for any other.
func qualified(sel *ast.SelectorExpr) string {
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

// TestRules_LayoutAloneJoinsOurNames: a name of ours that is joined elsewhere would stay behind when layout changes.
func TestRules_LayoutAloneJoinsOurNames(t *testing.T) {
	ours := map[string]bool{}
	joined := func(f file, visit func(ast.Node, string)) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || (qualified(sel) != "filepath.Join" && qualified(sel) != "path.Join") {
				return true
			}
			for _, arg := range call.Args {
				if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						visit(lit, s)
					}
				}
			}
			return true
		})
	}
	layout := lookup(t, "internal/layout")
	for _, f := range layout.files {
		joined(f, func(_ ast.Node, s string) { ours[s] = true })
	}
	if !ours["templates"] || !ours["users"] {
		t.Fatalf("names found in layout: %v; has it changed its form?", ours)
	}
	for _, p := range product(t) {
		if p == layout {
			continue
		}
		for _, f := range p.files {
			joined(f, func(n ast.Node, s string) {
				if ours[s] {
					t.Errorf("%s: %q is joined here: package layout has the name of every file of ours", at(n), s)
				}
			})
		}
	}
}

// Budgets, from the trees that are pleasant to read: it is the longest file and the longest function that are not.
const (
	maxFile    = 400
	medianFile = 120
	maxFunc    = 80
	p90Func    = 45
)

func TestBudgets_FilesAndFunctionsAreShort(t *testing.T) {
	var files, funcs []int
	for _, p := range packages(t) {
		for _, f := range p.files {
			files = append(files, f.lines)
			if f.lines > maxFile {
				t.Errorf("%s has %d lines, at most %d", f.name, f.lines, maxFile)
			}
			for _, decl := range f.syntax.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
				funcs = append(funcs, n)
				if n > maxFunc {
					t.Errorf("%s: %s has %d lines, at most %d", at(fn), fn.Name.Name, n, maxFunc)
				}
			}
		}
	}
	slices.Sort(files)
	slices.Sort(funcs)
	if got := files[len(files)/2]; got > medianFile {
		t.Errorf("the median file has %d lines, at most %d", got, medianFile)
	}
	if got := funcs[len(funcs)*9/10]; got > p90Func {
		t.Errorf("a tenth of the functions have more than %d lines, at most %d", got, p90Func)
	}
	t.Logf("%d files, median %d, longest %d; %d functions, 90%% up to %d, longest %d", len(files), files[len(files)/2],
		files[len(files)-1], len(funcs), funcs[len(funcs)*9/10], funcs[len(funcs)-1])
}

// TestRules_NamesSayWhat: such a package has no reason to refuse anything.
func TestRules_NamesSayWhat(t *testing.T) {
	for _, p := range packages(t) {
		for _, bad := range []string{"util", "utils", "common", "helpers", "types", "models", "base", "misc"} {
			if slices.Contains(strings.Split(p.path, "/"), bad) {
				t.Errorf("package %s: %s says nothing", p.path, bad)
			}
		}
	}
}
