package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/ctl/cli"
)

// Each command has a page, which has what its help has.
func TestWriteMan_OnePageEachCommand(t *testing.T) {
	dir := t.TempDir()
	date := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	if err := cli.WriteMan(dir, date); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string][]string{
		"ctl.1":                              {`.TH "CTL" "1" "Nov 2026"`, "AGENTD_SOCKET", "ctl-session(1)", "ctl-sesstpl(1)"},
		"ctl-session.1":                      {"ctl-session-exec(1)"},
		"ctl-session-create-from-template.1": {"--dry-run", "TEMPLATE"},
		"ctl-sesstpl-create.1":               {".SH EXAMPLE"},
		"ctl-completion.1":                   {"bash", "zsh", "fish"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Error(err)
			continue
		}
		plain := strings.NewReplacer(`\fB`, "", `\fP`, "", `\fI`, "").Replace(string(text))
		for _, w := range want {
			if !strings.Contains(plain, w) {
				t.Errorf("%s lacks %q:\n%s", page, w, plain)
			}
		}
	}
}
