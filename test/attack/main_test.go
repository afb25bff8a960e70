package attack

import (
	"os"
	"testing"

	"agentd/agentd/daemon"
	"agentd/internal/testenv"
)

// roleEnv makes the test binary one of the attackers.
const roleEnv = "AGENTD_TEST_ATTACKER"

func TestMain(m *testing.M) {
	if daemon.IsHelper(os.Args) {
		os.Exit(daemon.Help())
	}
	if os.Getenv(roleEnv) == "swapper" {
		swapForEver(os.Args[1], os.Args[2])
		return
	}
	os.Exit(testenv.Main(m))
}
