package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra/doc"
)

// WriteMan writes the manual pages of ctl into dir, one for each command, as section 1; date is that in their footers.
// They are made of the commands' own help, so that both say the same.
func WriteMan(dir string, date time.Time) error {
	root := (&app{}).root()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: "agentd", Manual: "agentd and ctl", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write the manual pages of ctl: %w", err)
	}
	return nil
}
