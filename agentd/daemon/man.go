package daemon

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra/doc"
)

// WriteMan writes the manual pages of agentd into dir, as section 8; date is that in their footers. They are made of the
// commands' own help, as root sees it.
func WriteMan(dir string, date time.Time) error {
	root := command(Stdio{Getenv: func(string) string { return "" }}, make(chan os.Signal))
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "8", Source: "agentd", Manual: "agentd and ctl", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write the manual pages of agentd: %w", err)
	}
	return nil
}
