package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/creack/pty"
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
		return errors.New("usage: as USER [tty] [fails STATUS] PROGRAM and its arguments")
	}
	name, args := args[0], args[1:]
	terminal := args[0] == "tty"
	if terminal {
		args = args[1:]
	}
	want := 0
	if len(args) > 2 && args[0] == "fails" {
		n, err := strconv.Atoi(args[1])
		if err != nil || n == 0 {
			return fmt.Errorf("fails %q: not a status", args[1])
		}
		want, args = n, args[2:]
	}
	if err := become(name); err != nil {
		return err
	}
	cmd := exec.Command(args[0], args[1:]...)
	run := runPlain
	if terminal {
		run = runOnTerminal
	}
	if err := run(cmd); cmd.ProcessState == nil {
		return err
	}
	if status := cmd.ProcessState.ExitCode(); status != want {
		return fmt.Errorf("%v ended with status %d, want %d", args, status, want)
	}
	return nil
}

func runPlain(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// runOnTerminal gives the command a terminal of 80 columns for all three of its files. What it types is what `as` reads;
// what the terminal shows, echo included, is what `as` prints.
func runOnTerminal(cmd *exec.Cmd) error {
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return err
	}
	go io.Copy(terminal, os.Stdin) // the command may end before it has read all
	// At the command's end the kernel answers with EIO.
	shown, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) {
		return err
	}
	if _, err := os.Stdout.Write(bytes.ReplaceAll(shown, []byte("\r\n"), []byte("\n"))); err != nil {
		return err
	}
	return cmd.Wait()
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
