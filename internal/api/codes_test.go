package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// declared reads the codes from the source of package errs, so that a new one cannot be forgotten.
func declared(t *testing.T) map[errs.Code]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../errs/errs.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[errs.Code]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[errs.Code(value)] = true
		}
		return true
	})
	return codes
}

func TestCodes_AreComplete(t *testing.T) {
	t.Parallel()
	want := declared(t)
	if len(want) < 10 {
		t.Fatalf("found only %d codes in package errs", len(want))
	}
	seen := map[errs.Code]bool{}
	for _, row := range api.Codes() {
		if seen[row.Code] {
			t.Errorf("code %q stands twice in the table", row.Code)
		}
		seen[row.Code] = true
		if !want[row.Code] {
			t.Errorf("code %q is in the table, but not in package errs", row.Code)
		}
		local := row.Code == errs.NoDaemon || row.Code == errs.Usage
		if local != (row.Status == 0) || !local && (row.Status < 400 || row.Status > 599) {
			t.Errorf("code %q has status %d", row.Code, row.Status)
		}
		if row.Exit < 1 || row.Exit > 7 || row.Title == "" {
			t.Errorf("code %q has exit status %d and title %q", row.Code, row.Exit, row.Title)
		}
	}
	for code := range want {
		if !seen[code] {
			t.Errorf("code %q has no row in the table", code)
		}
	}
}

func TestLookup_UnknownIsInternal(t *testing.T) {
	t.Parallel()
	if got := api.Lookup("no such code"); got.Code != errs.Internal {
		t.Errorf("an unknown code is %q, want %q", got.Code, errs.Internal)
	}
	if got := api.Lookup(errs.NotFound); got.Status != 404 || got.Exit != 3 {
		t.Errorf("not_found is %+v, want status 404 and exit 3", got)
	}
}
