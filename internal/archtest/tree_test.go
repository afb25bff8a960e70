package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"agentd/internal/testenv"
)

// pkg is what `go list` says of a package of the module, and its parsed files.
type pkg struct {
	ImportPath  string
	Name        string
	Dir         string
	GoFiles     []string
	TestGoFiles []string
	Imports     []string
	Deps        []string

	// path is ImportPath without the name of the module; name is path without internal/, as the map has it.
	path, name string
	files      []file
}

// file is one parsed file that is not a test.
type file struct {
	name   string
	lines  int
	syntax *ast.File
}

// tree is loaded once: the tests only look at it.
var tree = sync.OnceValues(func() ([]*pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,Imports,Deps", "./...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var pkgs []*pkg
	for dec := json.NewDecoder(out); ; {
		p := &pkg{}
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if err := p.parse(); err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
	return pkgs, cmd.Wait()
})

var fset = token.NewFileSet()

func (p *pkg) parse() error {
	p.path = strings.TrimPrefix(p.ImportPath, "agentd/")
	p.name = strings.TrimPrefix(p.path, "internal/")
	for _, name := range p.GoFiles {
		full := filepath.Join(p.Dir, name)
		syntax, err := parser.ParseFile(fset, full, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		lines := fset.File(syntax.Pos()).LineCount()
		p.files = append(p.files, file{name: p.path + "/" + name, lines: lines, syntax: syntax})
	}
	return nil
}

// packages returns every package of the module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	pkgs, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 20 {
		t.Fatalf("go list found %d packages: it did not look at the whole module", len(pkgs))
	}
	return pkgs
}

// product returns the packages that are part of the programs, not of their tests.
func product(t *testing.T) []*pkg {
	t.Helper()
	rows := houseMap(t)
	var found []*pkg
	for _, p := range packages(t) {
		if rows[p.name].level != levelTests && !strings.HasPrefix(p.path, "test/") {
			found = append(found, p)
		}
	}
	return found
}

// lookup returns the package at path, such as internal/api.
func lookup(t *testing.T, path string) *pkg {
	t.Helper()
	for _, p := range packages(t) {
		if p.path == path {
			return p
		}
	}
	t.Fatalf("there is no package %s", path)
	return nil
}

// read returns a file of the module.
func read(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{testenv.ModuleRoot(t)}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// at is the place of a node, for messages.
func at(n ast.Node) string {
	pos := fset.Position(n.Pos())
	return pos.String()
}
