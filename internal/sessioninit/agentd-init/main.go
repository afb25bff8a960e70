// Command agentd-init is the first process of every session's container.
package main

import (
	"os"

	"agentd/internal/sessioninit"
)

func main() {
	os.Exit(sessioninit.Main(os.Args))
}
