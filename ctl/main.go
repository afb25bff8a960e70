// Command ctl is the command line of agentd.
package main

import (
	"os"

	"agentd/ctl/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.OSStdio()))
}
