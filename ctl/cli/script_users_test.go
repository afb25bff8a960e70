package cli_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// storyUser is a user of the stories. He needs no entry in /etc/passwd.
type storyUser struct {
	name   string
	uid    uint32
	groups []int
}

// socketGroup may use the socket: alice and bob are in it, mallory is not.
const socketGroup = 20000

func users() []storyUser {
	return []storyUser{
		{name: "alice", uid: 20001, groups: []int{socketGroup}},
		{name: "bob", uid: 20002, groups: []int{socketGroup}},
		{name: "mallory", uid: 20003},
		{name: "root"},
	}
}

// asMain is the program `as`: it becomes a user and runs what follows, with the status that is wanted.
func asMain() {
	if err := runAs(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "as:", err)
		os.Exit(99)
	}
}

func runAs(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: as USER [fails STATUS] PROGRAM ARG...")
	}
	name, args := args[0], args[1:]
	want := 0
	if args[0] == "fails" && len(args) > 2 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n == 0 {
			return fmt.Errorf("fails %q: not a status", args[1])
		}
		want, args = n, args[2:]
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if err := become(name); err != nil {
		return err
	}
	if want == 0 {
		return syscall.Exec(program, args, os.Environ())
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != want {
		return fmt.Errorf("%v ended with status %d, want %d (%w)", args, status, want, err)
	}
	return nil
}

// become takes on a user's ids and home. An ordinary user stays who he is.
func become(name string) error {
	for _, u := range users() {
		if u.name != name {
			continue
		}
		if err := os.Setenv("HOME", filepath.Join(os.Getenv("WORK"), "home", name)); err != nil {
			return err
		}
		if os.Geteuid() != 0 {
			return nil
		}
		if err := syscall.Setgroups(u.groups); err != nil {
			return err
		}
		if err := syscall.Setgid(int(u.uid)); err != nil {
			return err
		}
		return syscall.Setuid(int(u.uid))
	}
	return fmt.Errorf("no user %q in the stories", name)
}
