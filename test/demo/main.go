// Command demo shows a template's life before the reader's eyes: the real programs, run as a user would type it, each
// step compared with what it should say. It works in a temporary directory and leaves nothing behind.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	bin := flag.String("bin", "bin", "`directory` of the programs agentd and ctl")
	sample := flag.String("sample", filepath.Join("configs", "templates", "session-template.yaml"), "the template to show")
	flag.Parse()
	if err := run(*bin, *sample); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(bin, sample string) (err error) {
	begin := time.Now()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	s, err := newStage(bin, sample, signals)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.say(`agentd keeps session templates, and turns them into running sessions.
This shows a template's life with the real programs, as the user who runs this,
in a directory of its own: ` + s.dir)
	for _, step := range story() {
		if err := s.play(step); err != nil {
			return err
		}
	}
	if err := s.close(); err != nil {
		return err
	}
	s.say(fmt.Sprintf("Done: %d steps in %.1f s, each as it should be. agentd is stopped and its\n"+
		"directory removed. README.md tells how to go on.", len(story()), time.Since(begin).Seconds()))
	return nil
}

// onTerminal reports whether somebody is watching.
func onTerminal() bool { return term.IsTerminal(int(os.Stdout.Fd())) }
