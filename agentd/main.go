// Command agentd serves session templates and sessions on one machine.
package main

import (
	"os"

	"agentd/agentd/daemon"
)

func main() {
	if daemon.IsHelper(os.Args) {
		os.Exit(daemon.Help())
	}
	os.Exit(daemon.Main(os.Args[1:], daemon.OSStdio()))
}
