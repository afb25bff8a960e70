package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/agentd/daemon"
)

func TestWriteMan_TellsRootsPlaces(t *testing.T) {
	dir := t.TempDir()
	if err := daemon.WriteMan(dir, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{
		"agentd.8": "/etc/agentd/agentd.yaml", "agentd-check-config.8": "configuration",
	} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v; want %q in it:\n%s", page, err, want, text)
		}
	}
}
