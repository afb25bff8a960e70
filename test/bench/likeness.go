package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"agentd/internal/client"
)

const (
	// imageRef is the image that both sides run, made on the spot.
	imageRef     = "agentd-bench.local/busybox:bench"
	templateName = "bench-launch"
	folderName   = "begun"
	// begunDir is where both sides have the directory with the pipe.
	begunDir = "/begun"
	pipeName = "pipe"
)

// prepare makes the image, the directory with the pipe, the template, and one session, to see what containers are like.
func (l *launches) prepare() error {
	if err := l.load(); err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	if err := l.ctl(l.socket, "vfolder", "create", folderName)(); err != nil {
		return err
	}
	folder, err := l.command(l.socket, "vfolder", "path", folderName).Output()
	if err != nil {
		return fmt.Errorf("find the vfolder: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(folder)), pipeName)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	// For writing too: so it never ends.
	if l.pipe, err = os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0); err != nil {
		return err
	}
	l.words = bufio.NewReader(l.pipe)
	c := newClient(l.socket)
	defer c.Close()
	text := fmt.Sprintf("template:\n  api_version: v1\n  kind: taskTemplate\n  metadata: {name: %s}\n"+
		"  spec:\n    kernel:\n      image: %s\n    mounts: {%s: %s}\n", templateName, imageRef, folderName, begunDir)
	if _, err := c.Create(l.ctx, nil, client.Document{Name: "bench", Text: []byte(text)}); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	const model = "bench-model"
	_, err = l.begin([]string{model}, large(), l.session)
	if err == nil {
		l.like, err = l.look(model)
	}
	return errors.Join(err, l.forgetSessions(model))
}

// close takes away what prepare made outside of the benchmark's own directory.
func (l *launches) close() error {
	if l.pipe != nil {
		l.pipe.Close() //nolint:errcheck // nothing was written to it
	}
	return l.lasting().dockerRun("image", "rm", "--force", imageRef)()
}

// likeness is what a session's container is like, as far as docker run shall have the same.
type likeness struct {
	HostConfig struct {
		NetworkMode, CgroupParent string
		PidsLimit                 *int64
		Mounts                    []struct {
			Type, Source, Target string
			ReadOnly             bool
		}
	}
	Config struct{ User string }
}

// look asks the engine for the container of a session.
func (l *launches) look(name string) (likeness, error) {
	var info struct {
		Session struct{ ID string }
	}
	text, err := l.command(l.socket, "session", "info", name, "-o", "json").Output()
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return likeness{}, fmt.Errorf("look at the session: %w", err)
	}
	var found []likeness
	text, err = exec.CommandContext(l.ctx, l.docker, "inspect", "agentd-"+info.Session.ID).Output()
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil || len(found) != 1 {
		return likeness{}, fmt.Errorf("look at the container of session %s: %w", info.Session.ID, err)
	}
	return found[0], l.standIns(found[0])
}

// standIns puts files and directories of the benchmark's in the place of those that are the one session's own.
func (l *launches) standIns(like likeness) error {
	for i, m := range like.HostConfig.Mounts {
		info, err := os.Stat(m.Source)
		if err != nil {
			return fmt.Errorf("look at a mount: %w", err)
		}
		path := filepath.Join(l.dir, "mount-"+strconv.Itoa(i))
		switch {
		case m.Target == begunDir:
			path = filepath.Dir(l.pipe.Name())
		case info.IsDir():
			err = os.Mkdir(path, 0o777)
		default:
			var data []byte
			if data, err = os.ReadFile(m.Source); err == nil {
				err = os.WriteFile(path, data, 0o755)
			}
		}
		if err != nil {
			return fmt.Errorf("make a mount: %w", err)
		}
		like.HostConfig.Mounts[i].Source = path
	}
	return nil
}

// flags are those of docker run that make another container like it.
func (k likeness) flags() []string {
	h := k.HostConfig
	flags := []string{"--network", h.NetworkMode, "--cgroup-parent", h.CgroupParent, "--user", k.Config.User}
	if h.PidsLimit != nil {
		flags = append(flags, "--pids-limit", strconv.FormatInt(*h.PidsLimit, 10))
	}
	for _, m := range h.Mounts {
		mount := "type=bind,source=" + m.Source + ",target=" + m.Target
		if m.ReadOnly {
			mount += ",readonly"
		}
		flags = append(flags, "--mount", mount)
	}
	return flags
}
