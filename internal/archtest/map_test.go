package archtest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Levels of the map. Numbers are those of the picture, from the leaves up.
const (
	levelLeaf    = "1"
	levelDomain  = "2"
	levelAdapter = "3"
	levelControl = "4"
	levelEdge    = "5"
	levelTop     = "top"
	levelInside  = "inside"
	levelTests   = "tests"
)

// row is a line of the table of packages in internal/README.md.
type row struct {
	name, level string
	// beside are packages of its own level that it may import.
	beside []string
	// libraries are the modules that it may import; golang.org/x is free for all.
	libraries []string
	// coming is true for a room that the design has and the tree has not yet.
	coming bool
}

var codePattern = regexp.MustCompile("`([^`]+)`")

// houseMap reads the table. The map that people read is the one that is enforced: there is no second copy.
func houseMap(t *testing.T) map[string]row {
	t.Helper()
	rows := map[string]row{}
	for line := range strings.Lines(read(t, "internal", "README.md")) {
		// | `name` | level | is | beside | libraries |
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		name := code(cells[1])[0]
		if _, twice := rows[name]; twice {
			t.Errorf("internal/README.md: two rows for %s", name)
		}
		rows[name] = row{
			name: name, level: strings.TrimSpace(cells[2]), beside: code(cells[4]), libraries: code(cells[5]),
			coming: strings.Contains(cells[1], "to come"),
		}
	}
	if len(rows) < 20 {
		t.Fatalf("internal/README.md: found %d rows in the table of packages: has its form changed?", len(rows))
	}
	return rows
}

func code(cell string) []string {
	var found []string
	for _, m := range codePattern.FindAllStringSubmatch(cell, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestMap_HasEveryPackageAndNoOther(t *testing.T) {
	rows := houseMap(t)
	known := []string{levelLeaf, levelDomain, levelAdapter, levelControl, levelEdge, levelTop, levelInside, levelTests}
	there := map[string]bool{}
	for _, p := range packages(t) {
		there[p.name] = true
		r, ok := rows[p.name]
		switch {
		case !ok && !strings.HasPrefix(p.path, "test/"):
			t.Errorf("package %s has no row in internal/README.md: say what it is and where it stands", p.name)
		case r.coming:
			t.Errorf("internal/README.md says that package %s is to come, but it is there", p.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		if !r.coming && !there[name] {
			t.Errorf("internal/README.md has package %s, which does not exist: mark it as to come", name)
		}
		if !slices.Contains(known, r.level) {
			t.Errorf("internal/README.md: package %s: unknown level %q", name, r.level)
		}
		for _, other := range r.beside {
			if _, ok := rows[other]; !ok {
				t.Errorf("internal/README.md: package %s: %s is no package", name, other)
			}
		}
	}
}

func TestMap_EveryRoomIsInThePictures(t *testing.T) {
	text := read(t, "internal", "README.md")
	_, after, ok := strings.Cut(text, "## Levels and arrows")
	if !ok {
		t.Fatal("internal/README.md: no heading 'Levels and arrows'")
	}
	picture := strings.Split(after, "```")[1]
	for name, r := range houseMap(t) {
		last := name[strings.LastIndex(name, "/")+1:]
		if r.level != levelTests && !strings.Contains(picture, last) {
			t.Errorf("internal/README.md: the picture of levels does not show %s", name)
		}
	}
}
