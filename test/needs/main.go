// Command needs finds out which programs the tests lack, offers to install them, and prints the gates that are then open.
//
// It says on standard error what it would install and why, asks if standard input is a terminal (Enter is yes), and
// goes on without one. On standard output it prints the value for AGENTD_TEST_REQUIRE: what can be tested here must not
// be skipped.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"

	"agentd/internal/testenv"
	"agentd/internal/testenv/dockerd"
)

// need is a program, the Debian package that has it, and what it is for.
type need struct{ program, pkg, purpose string }

// needs lists what the tests use beside Go.
func needs() []need {
	return []need{
		{"dockerd", "docker.io", "a Docker Engine of the tests' own, where none is running"},
		{"docker", "docker.io", "what the benchmarks compare with"},
		{"busybox", "busybox-static", "images of two megabytes, made on the spot"},
		{"strace", "strace", "killing the store at every system call"},
		{"systemd-analyze", "systemd", "checking the unit files"},
		{"git", "git", "repositories to clone"},
	}
}

func main() {
	_, err := dockerd.Reachable(context.Background())
	engine := err == nil
	if missing := missing(engine); len(missing) > 0 {
		if err := install(missing); err != nil {
			fmt.Fprintf(os.Stderr, "%v\nGoing on without: the tests that need them are skipped.\n", err)
		}
	}
	if asked := os.Getenv(testenv.RequireEnv); asked != "" {
		fmt.Println(asked)
		return
	}
	fmt.Println(strings.Join(gates(engine), ","))
}

// missing lists what is not there. Only root can start an engine, and nobody needs to if one answers.
func missing(engine bool) []need {
	var found []need
	for _, n := range needs() {
		if n.program == "dockerd" && (engine || os.Geteuid() != 0) {
			continue
		}
		if _, err := exec.LookPath(n.program); err != nil {
			found = append(found, n)
		}
	}
	return found
}

// gates lists those that can be required on this machine.
func gates(engine bool) []string {
	var open []string
	if os.Geteuid() == 0 {
		open = append(open, testenv.GateRoot)
	}
	for _, n := range needs() {
		if _, err := exec.LookPath(n.program); err == nil {
			open = append(open, n.program)
			engine = engine || n.program == "dockerd" && os.Geteuid() == 0
		}
	}
	if engine {
		open = append(open, testenv.GateEngine)
	}
	return open
}

// install asks and runs apt-get.
func install(missing []need) error {
	fmt.Fprintln(os.Stderr, "Some tests need programs that are not installed:")
	var pkgs []string
	for _, n := range missing {
		fmt.Fprintf(os.Stderr, "  %-16s from %-16s %s\n", n.program, n.pkg, n.purpose)
		if len(pkgs) == 0 || pkgs[len(pkgs)-1] != n.pkg {
			pkgs = append(pkgs, n.pkg)
		}
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("there is no apt-get here: install them your way")
	}
	commands := [][]string{
		{"apt-get", "update", "--quiet"},
		append([]string{"apt-get", "install", "--yes", "--quiet", "--no-install-recommends"}, pkgs...),
	}
	if os.Geteuid() != 0 {
		for i := range commands {
			commands[i] = append([]string{"sudo"}, commands[i]...)
		}
	}
	fmt.Fprintln(os.Stderr, "This would run, as root:")
	for _, c := range commands {
		fmt.Fprintln(os.Stderr, "  "+strings.Join(c, " "))
	}
	if strings.Contains(strings.Join(pkgs, " "), "docker.io") {
		fmt.Fprintln(os.Stderr, "docker.io starts the Docker Engine as a service where systemd is running.")
	}
	if !agreed() {
		return fmt.Errorf("not installed")
	}
	for _, c := range commands {
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(c, " "), err)
		}
	}
	return nil
}

// agreed asks a person, if there is one.
func agreed() bool {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintln(os.Stderr, "No terminal to ask on: going on.")
		return true
	}
	fmt.Fprint(os.Stderr, "Shall it? [Y/n] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "" || answer == "y" || answer == "yes")
}
