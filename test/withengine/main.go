// Command withengine runs a command with a Docker Engine: the one that answers, or else, for root, a private one that
// lives as long as the command, in a network of its own that the command shares.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"agentd/internal/testenv/dockerd"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withengine COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withengine:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	// From here on a signal is for the command; what was started is ended all the same.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	do := func(fn func() error) error { return fn() }
	host, err := dockerd.Reachable(ctx)
	switch {
	case err == nil:
		fmt.Fprintf(os.Stderr, "withengine: using the Docker Engine at %s\n", host)
	case os.Getenv("DOCKER_HOST") != "":
		return 1, fmt.Errorf("DOCKER_HOST is set, but does not answer: %w", err)
	case os.Geteuid() != 0:
		fmt.Fprintln(os.Stderr, "withengine: no Docker Engine answers, and only root can start a private one")
		return command(args, "", do, signals)
	default:
		if _, err := exec.LookPath("dockerd"); err != nil {
			fmt.Fprintln(os.Stderr, "withengine: no Docker Engine answers, and none is installed")
			return command(args, "", do, signals)
		}
		engine, err := dockerd.Start(ctx)
		if err != nil {
			return 1, fmt.Errorf("start a private Docker Engine: %w", err)
		}
		defer func() { err = errors.Join(err, engine.Stop()) }()
		host, do = engine.Host(), engine.Do
		fmt.Fprintf(os.Stderr, "withengine: started a private Docker Engine at %s\n", host)
	}
	return command(args, host, do, signals)
}

// command runs the command and returns its exit status.
func command(args []string, host string, do func(func() error) error, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	}
	if err := do(cmd.Start); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			// Ctrl-C has reached it already, from the terminal; once more does no harm.
			_ = cmd.Process.Signal(s)
		case err := <-done:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return max(exit.ExitCode(), 1), nil
			}
			return 0, err
		}
	}
}
