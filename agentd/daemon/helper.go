package daemon

import (
	"agentd/agentd/daemon/adapt"
	"agentd/internal/helper"
)

// IsHelper reports whether the program was started as a child of agentd that acts as a caller.
func IsHelper(args []string) bool { return helper.Wanted(args) }

// Help is that child's main function; it returns the exit status.
func Help() int { return helper.Main(adapt.Operations()) }
