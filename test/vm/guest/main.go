// Command guest runs inside the virtual machine of test/vm: it installs the package, does to it what happens to packages
// and services, and prints one line for each thing that it has checked.
//
// Lines of the form "vm: ok NAME: what was seen" and "vm: FAIL NAME: why" are for the test outside; "vm: end" is the last.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// check is one thing to be seen; a check may build on what those before it have left.
type check struct {
	name string
	run  func(g *guest) (seen string, err error)
}

// errSkipRest ends the run: nothing after it could be seen.
var errSkipRest = errors.New("the rest needs this")

func main() {
	g := &guest{begin: time.Now()}
	for _, c := range checks() {
		begin := time.Now()
		seen, err := c.run(g)
		took := time.Since(begin).Round(time.Second)
		if err != nil {
			fmt.Printf("\nvm: FAIL %s: %s (%s)\n", c.name, oneLine(err.Error()), took)
			g.dump()
		} else {
			fmt.Printf("\nvm: ok %s: %s (%s)\n", c.name, oneLine(seen), took)
		}
		if errors.Is(err, errSkipRest) {
			break
		}
	}
	fmt.Printf("\nvm: end after %s\n", time.Since(g.begin).Round(time.Second))
	os.Stdout.Sync() //nolint:errcheck // the machine is switched off next
}

// checks are in the order of a machine's life: install, use, trouble, upgrade, another driver, remove, purge.
func checks() []check {
	return []check{
		{"prepare", prepare},
		{"install", install},
		{"units-verified", unitsVerified},
		{"security-figure", securityFigure},
		{"socket-activation", socketActivation},
		{"launch-alice", launchAlice},
		{"launch-bob", launchBob},
		{"launch-root", launchRoot},
		{"owners-apart", ownersApart},
		{"limits-read-back", limitsReadBack},
		{"use-and-pressure", useAndPressure},
		{"slice-cap", sliceCap},
		{"journal-fields", journalFields},
		{"status-line", statusLine},
		{"restart", restart},
		{"kill-9", kill9},
		{"reload", reload},
		{"watchdog", watchdog},
		{"out-of-memory", outOfMemory},
		{"engine-restart", engineRestart},
		{"upgrade", upgrade},
		{"user-service", userService},
		{"remove", remove},
		{"reinstall", reinstall},
		{"cgroupfs-driver", cgroupfsDriver},
		{"purge", purge},
	}
}
