package crash_test

import (
	"os"
	"testing"

	"agentd/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
