package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"agentd/ctl/cli"
	"agentd/internal/testenv"
)

// Each line of docs/compat.md that is said to run is taken by ctl, and each that is said not to run is not.
func TestCompat_TheTableIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(testenv.ModuleRoot(t), "docs", "compat.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (yes|no|differs) \\| (.*)\\|$")
	count := map[string]int{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		line, runs, remark := m[1], m[2], strings.TrimSpace(m[3])
		count[runs]++
		err := cli.Accepts(strings.Fields(line))
		switch {
		case runs != "no" && err != nil:
			t.Errorf("%s: said to run, and: %v", line, err)
		case runs == "no" && err == nil:
			t.Errorf("%s: said not to run, and ctl takes it", line)
		}
		if runs != "yes" && remark == "" {
			t.Errorf("%s: no reason", line)
		}
	}
	if rows := strings.Count(string(text), "\n| `"); count["yes"] < 40 || count["no"] < 20 || count["differs"] < 3 ||
		rows != count["yes"]+count["no"]+count["differs"] {
		t.Errorf("found %v in %d rows", count, rows)
	}
}
