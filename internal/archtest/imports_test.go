package archtest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// below says which levels a package of a level may import. Control and edges reach the adapters only through interfaces
// that they declare themselves; the daemon joins them.
func below(level string) []string {
	switch level {
	case levelDomain:
		return []string{levelLeaf}
	case levelAdapter, levelControl, levelEdge, levelInside:
		return []string{levelLeaf, levelDomain}
	case levelTop, levelTests:
		return []string{levelLeaf, levelDomain, levelAdapter, levelControl, levelEdge, levelInside, levelTests, levelTop}
	default:
		return nil
	}
}

func TestImports_PointDownOnly(t *testing.T) {
	rows := houseMap(t)
	for _, p := range product(t) {
		from := rows[p.name]
		for _, path := range p.Imports {
			name, ours := strings.CutPrefix(path, "agentd/")
			if !ours {
				continue
			}
			name = strings.TrimPrefix(name, "internal/")
			to := rows[name]
			if to.level == levelTests {
				t.Errorf("%s imports %s, which is for tests", p.name, name)
				continue
			}
			if !slices.Contains(below(from.level), to.level) && !slices.Contains(from.beside, name) {
				t.Errorf("%s (level %s) imports %s (level %s): declare an interface for what you need, "+
					"or give the reader a reason in internal/README.md", p.name, from.level, name, to.level)
			}
		}
		for _, name := range from.beside {
			if !slices.Contains(p.Imports, "agentd/internal/"+name) && !slices.Contains(p.Imports, "agentd/"+name) {
				t.Errorf("internal/README.md lets %s import %s, which it does not", p.name, name)
			}
		}
	}
}

func TestImports_LibrariesAreThoseOfTheMap(t *testing.T) {
	rows := houseMap(t)
	for _, p := range product(t) {
		var used []string
		for _, path := range p.Imports {
			first, _, _ := strings.Cut(path, "/")
			// golang.org/x is the standard library's waiting room.
			if !strings.Contains(first, ".") || first == "golang.org" {
				continue
			}
			module := slices.IndexFunc(rows[p.name].libraries, func(lib string) bool {
				return path == lib || strings.HasPrefix(path, lib+"/")
			})
			if module < 0 {
				t.Errorf("%s imports %s, which its row in internal/README.md does not list", p.name, path)
				continue
			}
			used = append(used, rows[p.name].libraries[module])
		}
		for _, lib := range rows[p.name].libraries {
			if !slices.Contains(used, lib) {
				t.Errorf("internal/README.md says that %s imports %s, which it does not", p.name, lib)
			}
		}
	}
}

// TestImports_OneRoomForEachLibrary keeps a later change of library a change of one directory.
func TestImports_OneRoomForEachLibrary(t *testing.T) {
	several := map[string]string{
		"gopkg.in/yaml.v3":                  "templates and the configuration are both YAML",
		"github.com/distribution/reference": "the name of an image is checked where it is written, completed where it is planned",
		"github.com/spf13/cobra":            "both programs have a command line",
	}
	importers := map[string][]string{}
	for name, r := range houseMap(t) {
		for _, lib := range r.libraries {
			importers[lib] = append(importers[lib], name)
		}
	}
	for lib, names := range importers {
		slices.Sort(names)
		if _, ok := several[lib]; !ok && len(names) > 1 {
			t.Errorf("%s is imported by %v: one package for each library", lib, names)
		}
	}
}

// TestImports_CtlStaysSmall looks at all that is linked into ctl, however it got there.
func TestImports_CtlStaysSmall(t *testing.T) {
	banned := map[string]string{
		"github.com/docker/docker":            "ctl talks to agentd, never to the engine: that would need the engine's rights",
		"github.com/go-git/go-git":            "agentd's helper clones, bounded and as the caller",
		"github.com/coreos/go-systemd":        "ctl is no service",
		"github.com/containerd/cgroups":       "limits are agentd's",
		"github.com/danielgtaylor/huma":       "the server's half of the API",
		"github.com/prometheus/client_golang": "the server's half of the API; starting up its registry costs time at every call",
		"agentd/internal/server":              "the server's half of the API",
		"agentd/internal/store":               "files of templates are read by agentd alone",
		"agentd/internal/supervisor":          "sessions live in agentd",
		"net/http/pprof":                      "no debugging port in a command",
	}
	for _, dep := range lookup(t, "ctl").Deps {
		for bad, why := range banned {
			if dep == bad || strings.HasPrefix(dep, bad+"/") {
				t.Errorf("ctl links %s: %s", dep, why)
			}
		}
	}
}

// TestImports_InitIsStdlibOnly keeps the program that runs in every container small and free of surprises.
func TestImports_InitIsStdlibOnly(t *testing.T) {
	for _, p := range packages(t) {
		if houseMap(t)[p.name].level != levelInside {
			continue
		}
		for _, dep := range p.Deps {
			first, _, _ := strings.Cut(dep, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(dep, "golang.org/x/sys/") {
				t.Errorf("%s links %s: only the standard library and golang.org/x/sys are allowed there", p.name, dep)
			}
			if dep == "os/exec" && strings.HasPrefix(p.name, "sessioninit") {
				t.Errorf("%s links os/exec, which waits beside our one wait4 loop and loses exit codes", p.name)
			}
		}
	}
}

// TestImports_NoCgo: the programs run on any Linux, whatever its C library.
func TestImports_NoCgo(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if .CgoFiles}}{{.ImportPath}}{{end}}", "./agentd", "./ctl")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != "" {
		t.Errorf("these packages need cgo: %s", got)
	}
}
