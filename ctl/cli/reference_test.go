package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentd/ctl/cli"
	"agentd/internal/testenv"
)

func TestReference_IsCurrent(t *testing.T) {
	var got bytes.Buffer
	if err := cli.WriteReference(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(testenv.ModuleRoot(t), "docs", "commands.md")
	if *cli.Update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, got.Bytes()) {
		t.Errorf("docs/commands.md is not what the commands say (%v): go test ./ctl/cli -run Reference -update writes it", err)
	}
	for _, path := range commandPaths(t) {
		heading := "\n## " + strings.Join(append([]string{"ctl"}, path...), " ") + "\n"
		if !strings.Contains(got.String(), heading) {
			t.Errorf("no section%s", heading)
		}
	}
}
