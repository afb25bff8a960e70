package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"agentd/internal/testenv/scratch"
)

// close ends what runs, takes away what was made, and counts what is left, which must be nothing.
func (s *stage) close() error {
	var errs []error
	instance := s.instance()
	if s.agentd != nil {
		errs = append(errs, s.endSessions(), s.agentd.Stop())
	}
	var marks []string
	if s.props != nil && s.props.registry != nil {
		host := s.props.registry.Host()
		// The second one is how agentd's own names of images have it.
		marks = []string{host + "/", strings.ReplaceAll(host, ":", "-") + "/"}
	}
	errs = append(errs, s.props.close())
	if s.engine != nil {
		made, err := s.engine.made(instance, marks...)
		errs = append(errs, err, s.engine.remove(made))
	}
	errs = append(errs, scratch.Remove(s.dir))
	s.groups.restore()
	return errors.Join(append(errs, s.count(instance, marks))...)
}

// endSessions is for a story that was broken off.
func (s *stage) endSessions() error {
	if s.instance() == "" {
		return nil
	}
	if !s.agentd.Running() {
		if err := s.startAgentd(); err != nil {
			return err
		}
	}
	const command = `ids=$(ctl session ls -a -q) && { [ -z "$ids" ] || ctl session rm --force $ids; }`
	out, exit, err := s.shell(context.Background(), command, false)
	if err == nil && exit != 0 {
		err = fmt.Errorf("%s: exit %d: %s", command, exit, out)
	}
	return err
}

// count says what is left, and fails unless it is nothing.
func (s *stage) count(instance string, marks []string) error {
	var objects []string
	if s.engine != nil {
		made, err := s.engine.made(instance, marks...)
		if err != nil {
			return err
		}
		objects = made
	}
	mounts, err := scratch.Mounts(s.dir)
	if err != nil {
		return err
	}
	var files []string
	if _, err := os.Lstat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		files = append(files, s.dir)
	}
	files = append(files, s.groups.left()...)
	processes := processesOf(s.dir)
	fmt.Printf("\nLeft behind: %d containers, volumes, networks and images; %d mounts;\n%d directories; %d processes.\n",
		len(objects), len(mounts), len(files), len(processes))
	left := append(append(append(objects, mounts...), files...), processes...)
	if len(left) > 0 {
		return fmt.Errorf("left behind: %s", strings.Join(left, " "))
	}
	return nil
}

// processesOf lists those that run a program of dir, or have it in their arguments.
func processesOf(dir string) []string {
	all, _ := filepath.Glob("/proc/[0-9]*") //nolint:errcheck // the pattern is right
	var found []string
	for _, proc := range all {
		cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		program, _ := os.Readlink(filepath.Join(proc, "exe")) //nolint:errcheck // it may have ended
		if err == nil && strings.Contains(program+" "+string(cmdline), dir+"/") {
			found = append(found, proc)
		}
	}
	return found
}

// groups are the places of the control group that root's agentd makes above all sessions: true for those that were there
// before, which are another agentd's.
type groups map[string]bool

func lookForGroups() groups {
	g := groups{}
	// Version 1 has a tree for each controller, version 2 has one.
	trees, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") //nolint:errcheck // the pattern is right
	for _, tree := range append(trees, "/sys/fs/cgroup/cgroup.procs") {
		path := filepath.Join(filepath.Dir(tree), "agentd")
		_, err := os.Lstat(path)
		g[path] = err == nil
	}
	return g
}

// restore removes what was not there. A group that is not empty is in use by somebody else now.
func (g groups) restore() {
	for path, before := range g {
		if !before {
			_ = os.Remove(path) // Most often it was never made; count finds what stays.
		}
	}
}

func (g groups) left() []string {
	var found []string
	for path, before := range g {
		if _, err := os.Lstat(path); err == nil && !before {
			found = append(found, path)
		}
	}
	return found
}
