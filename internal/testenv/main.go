package testenv

import (
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package and ends what testenv started for them. A package that calls [Engine] needs it:
//
//	func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
func Main(m *testing.M) int {
	mained.Store(true)
	code := m.Run()
	if err := stopEngine(); err != nil {
		fmt.Fprintln(os.Stderr, "testenv: stop the private engine:", err)
		code = max(code, 1)
	}
	if binaries.dir != "" {
		if err := os.RemoveAll(binaries.dir); err != nil {
			fmt.Fprintln(os.Stderr, "testenv:", err)
			code = max(code, 1)
		}
	}
	return code
}
