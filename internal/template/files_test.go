package template

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/errs"
)

// -update writes what Parse says into the files; read the difference before it is committed.
var update = flag.Bool("update", false, "write the problems that are found into testdata/invalid")

// Lines of an invalid file, or of a .want file beside one that can have no comments.
const (
	wantPrefix   = "# want: "
	beyondPrefix = "# beyond-schema: "
)

// invalidFile is one file of testdata/invalid.
type invalidFile struct {
	path, header string
	text         []byte
	want         []string
	beyond       string
}

func invalidFiles(t *testing.T) []invalidFile {
	t.Helper()
	paths, err := filepath.Glob("testdata/invalid/*")
	if err != nil || len(paths) < 70 {
		t.Fatalf("found %d invalid files, %v; want at least 70", len(paths), err)
	}
	var all []invalidFile
	for _, path := range paths {
		if strings.HasSuffix(path, ".want") {
			continue
		}
		f := invalidFile{path: path, header: path, text: readFile(t, path)}
		if _, err := os.Stat(path + ".want"); err == nil {
			f.header += ".want"
		}
		for line := range strings.Lines(string(readFile(t, f.header))) {
			line = strings.TrimSuffix(line, "\n")
			if want, ok := strings.CutPrefix(line, wantPrefix); ok {
				f.want = append(f.want, want)
			} else if beyond, ok := strings.CutPrefix(line, beyondPrefix); ok {
				f.beyond = beyond
			} else {
				break
			}
		}
		all = append(all, f)
	}
	return all
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// problemsOf lists what Parse says about a text, without the name of the file.
func problemsOf(t *testing.T, text []byte) []errs.Problem {
	t.Helper()
	_, err := Parse("", text)
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.Code != errs.Invalid || len(e.Problems) == 0 {
		t.Fatalf("Parse = %v; want problems", err)
	}
	return e.Problems
}

func asLines(problems []errs.Problem) []string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

func TestParse_Invalid(t *testing.T) {
	for _, f := range invalidFiles(t) {
		t.Run(filepath.Base(f.path), func(t *testing.T) {
			if *update {
				f = updated(t, f)
			}
			if diff := cmp.Diff(f.want, asLines(problemsOf(t, f.text))); diff != "" {
				t.Errorf("problems of %s (-want +got):\n%s", f.path, diff)
			}
		})
	}
}

// updated writes the problems into the file; twice, for their number moves the lines that they name.
func updated(t *testing.T, f invalidFile) invalidFile {
	t.Helper()
	for range 2 {
		text := readFile(t, f.header)
		for bytes.HasPrefix(text, []byte(wantPrefix)) {
			text = text[lineLength(text):]
		}
		f.want = asLines(problemsOf(t, f.text))
		var header string
		for _, line := range f.want {
			header += wantPrefix + line + "\n"
		}
		text = append([]byte(header), text...)
		if err := os.WriteFile(f.header, text, 0o644); err != nil {
			t.Fatal(err)
		}
		f.text = readFile(t, f.path)
	}
	return f
}

// Every rule that the code knows has a file which breaks it, and every file is named after a rule that it breaks.
func TestParse_EveryRuleHasAFile(t *testing.T) {
	broken := map[string]bool{}
	for _, f := range invalidFiles(t) {
		var rules []string
		for _, p := range problemsOf(t, f.text) {
			broken[p.Rule] = true
			rules = append(rules, p.Rule)
		}
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f.path), ".json"), ".yaml")
		named := func(rule string) bool { return strings.HasPrefix(name+"-", rule+"-") }
		if !slices.ContainsFunc(rules, named) && !strings.HasSuffix(name, "both-wrong") {
			t.Errorf("%s breaks the rules %q: name it after one", f.path, rules)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\.(?:problem|refuse|checked)\((?:[^"\n]|"")*?"([a-z-]+)",(?: "([a-z-]+)",)?`)
	known := map[string]bool{}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(string(readFile(t, path)), -1) {
			known[cmpOr(m[2], m[1])] = true
		}
	}
	// Found only by those who change a text, not by Parse.
	delete(known, "not-on-one-line")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(broken))); diff != "" {
		t.Errorf("rules in the code against rules broken by testdata/invalid (-code +files):\n%s", diff)
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
