// Command agentd-helper does with a caller's rights what agentd needs of his files, in a process that is the caller.
package main

import (
	"os"

	"agentd/internal/helper"
)

// It is a program of its own, and not agentd once more, because it begins in a quarter of the time: a launch waits for it.
func main() {
	if !helper.Wanted(os.Args) {
		os.Stderr.WriteString("agentd-helper is started by agentd, and of no use elsewhere\n") //nolint:errcheck // no matter
		os.Exit(2)
	}
	os.Exit(helper.Main(nil))
}
