// Command demo shows the whole main job before the reader's eyes: from a template to a session, interactive and batch,
// with the real programs, run as an ordinary user would type it. What each step claims is checked, some of it by asking
// the engine and the disk. It works in a temporary directory and leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of the programs")
	flag.Parse()
	if err := run(*bin); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(bin string) (err error) {
	begin := time.Now()
	// Until the end of the process: a second ctrl-C does not stop the clearing away.
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	s, err := newStage(ctx, bin)
	if err != nil {
		return err
	}
	steps := story(s)
	err = s.playAll(ctx, steps)
	if err != nil {
		fmt.Printf("\nThat went wrong; clearing away.\n")
	}
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	fmt.Printf("\nDone: %d steps in %.0f s, each as it should be. README.md tells how to go on.\n",
		len(steps), time.Since(begin).Seconds())
	return nil
}

// onTerminal reports whether somebody is watching.
func onTerminal() bool { return term.IsTerminal(int(os.Stdout.Fd())) }
