// Command needs finds out what the tests or the demo lack, says what it would install and start, and does it if that is
// agreed to: it asks if standard input is a terminal (Enter is yes), and goes on without one.
//
// Alone, it is for the tests: it prints the value for AGENTD_TEST_REQUIRE, the gates that are then open, because what can
// be tested here must not be skipped. With a command, it is for the demo, and becomes that command; by sudo, if only root
// can start the engine that the demo needs.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"agentd/internal/testenv"
	"agentd/internal/testenv/dockerd"
)

// need is a program, the Debian package that has it, and what it is for; demo says that the demo needs it too.
type need struct {
	program, pkg, purpose string
	demo                  bool
}

// needs lists what the tests use beside Go.
func needs() []need {
	return []need{
		{"dockerd", "docker.io", "a Docker Engine of our own, where none is running", true},
		{"docker", "docker.io", "what the benchmarks compare with", false},
		{"busybox", "busybox-static", "images of two megabytes, made on the spot", true},
		{"strace", "strace", "killing the store at every system call", false},
		{"systemd-analyze", "systemd", "checking the unit files", false},
		{"kill", "procps", "the reload that the unit files have", false},
		{"git", "git", "repositories to clone", true},
		{"curl", "curl", "the API without ctl", false},
	}
}

func main() {
	_, err := dockerd.Reachable(context.Background())
	d := &doing{engine: err == nil, command: os.Args[1:]}
	if err := d.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "needs:", err)
		os.Exit(1)
	}
	if len(d.command) > 0 {
		fmt.Fprintln(os.Stderr, "needs:", d.become())
		os.Exit(1)
	}
	if asked := os.Getenv(testenv.RequireEnv); asked != "" {
		fmt.Println(asked)
		return
	}
	fmt.Println(strings.Join(gates(d.engine), ","))
}

// doing is what is to be done.
type doing struct {
	// engine says that one answers.
	engine bool
	// command is the demo's; without it, this is for the tests.
	command []string
}

// prepare says what it would do, asks, and installs. That an installation failed ends the demo, and costs the tests those
// that need it.
func (d *doing) prepare() error {
	missing, sudo := d.missing(), d.sudo()
	starts := !d.engine && (os.Geteuid() == 0 || sudo)
	if len(missing) == 0 && !starts {
		return nil
	}
	commands, err := commands(missing)
	if err != nil {
		return err
	}
	say(missing, commands)
	if starts {
		fmt.Fprintln(os.Stderr, "No Docker Engine answers. If that stays so, this would start one, as root:\n"+
			"  it has directories and a network of its own, and is ended afterwards.")
	}
	if sudo {
		fmt.Fprintln(os.Stderr, "The demo would be run by sudo; what it shows is done by an ordinary user.")
	}
	if !agreed() {
		return fmt.Errorf("nothing was installed or started; make check runs the tests that need nothing but Go")
	}
	err = run(commands)
	if err != nil && len(d.command) == 0 {
		fmt.Fprintf(os.Stderr, "%v\nGoing on without: the tests that need them are skipped.\n", err)
		return nil
	}
	return err
}

// sudo reports whether the demo has to be run by root to have an engine.
func (d *doing) sudo() bool { return len(d.command) > 0 && !d.engine && os.Geteuid() != 0 }

// become replaces this process by the command.
func (d *doing) become() error {
	args := d.command
	if _, err := dockerd.Reachable(context.Background()); err != nil && os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("no Docker Engine answers, and only root can start one: %w", err)
	}
	return syscall.Exec(path, args, os.Environ())
}

// missing lists what is not there. Only root can start an engine, and nobody needs to if one answers.
func (d *doing) missing() []need {
	var found []need
	for _, n := range needs() {
		if n.program == "dockerd" && (d.engine || os.Geteuid() != 0 && !d.sudo()) {
			continue
		}
		if len(d.command) > 0 && !n.demo {
			continue
		}
		if !installed(n.program) {
			found = append(found, n)
		}
	}
	return found
}

// installed looks for the program also where only root's PATH leads.
func installed(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	_, err := exec.LookPath("/usr/sbin/" + program)
	return err == nil
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

// commands are those that install what is missing.
func commands(missing []need) ([][]string, error) {
	if len(missing) == 0 {
		return nil, nil
	}
	var pkgs []string
	for _, n := range missing {
		if !slices.Contains(pkgs, n.pkg) {
			pkgs = append(pkgs, n.pkg)
		}
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("missing here: %s; there is no apt-get: install them your way", strings.Join(pkgs, " "))
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
	return commands, nil
}

// say tells what is missing and what would be run.
func say(missing []need, commands [][]string) {
	if len(missing) == 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "Some programs are not installed:")
	for _, n := range missing {
		fmt.Fprintf(os.Stderr, "  %-15s of %-14s %s\n", n.program, n.pkg, n.purpose)
	}
	fmt.Fprintln(os.Stderr, "This would run, as root:")
	for _, c := range commands {
		fmt.Fprintln(os.Stderr, "  "+strings.Join(c, " "))
	}
	if slices.ContainsFunc(missing, func(n need) bool { return n.pkg == "docker.io" }) {
		fmt.Fprintln(os.Stderr, "docker.io starts the Docker Engine as a service where systemd is running.")
	}
}

func run(commands [][]string) error {
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
