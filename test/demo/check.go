package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// wantContainers asks the engine how many there are, ended ones included.
func (s *stage) wantContainers(want int) error {
	found, err := s.engine.containers(s.instance())
	if err == nil && len(found) != want {
		err = fmt.Errorf("the engine has %d containers, not %d", len(found), want)
	}
	return err
}

// launched looks at the container that the launch has made, and remembers its process.
func (s *stage) launched() error {
	found, err := s.engine.containers(s.instance())
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("the engine has %d containers, not 1", len(found))
	}
	c := found[0]
	if c.State.Pid == 0 {
		return errors.New("the engine says that the container does not run")
	}
	if c.HostConfig.Memory != 64<<20 {
		return fmt.Errorf("the engine says that the container may have %d bytes", c.HostConfig.Memory)
	}
	if c.HostConfig.NanoCpus != 5e8 && c.HostConfig.CPUQuota != 50_000 {
		return fmt.Errorf("the engine says that the container may have %d/1e9 cores", c.HostConfig.NanoCpus)
	}
	s.pid = c.State.Pid
	return s.noToken()
}

// noToken looks for the Git token in all of agentd's files, the session's own and the logs included.
func (s *stage) noToken() error {
	return filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		// A file may go away while it is looked for.
		if errors.Is(err, fs.ErrNotExist) || err == nil && !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && bytes.Contains(text, []byte(gitToken)) {
			err = fmt.Errorf("the Git token is in %s", path)
		}
		return err
	})
}

// goesOn compares the running container with the one that was launched.
func (s *stage) goesOn() error {
	found, err := s.engine.containers(s.instance())
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].State.Pid != s.pid || s.pid == 0 {
		return errors.New("the session's container is not what it was")
	}
	return nil
}

// notRunning looks whether the first session's process has gone.
func (s *stage) notRunning() error {
	found, err := s.engine.containers(s.instance())
	if err != nil {
		return err
	}
	for _, c := range found {
		if c.State.Pid != 0 {
			return errors.New("a container runs")
		}
	}
	return nil
}

// absent checks that nothing has come to be at a path in the user's home.
func (s *stage) absent(name string) error {
	if _, err := os.Lstat(filepath.Join(s.home(), name)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there: %w", name, err)
	}
	return nil
}
