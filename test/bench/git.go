package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"agentd/internal/client"
	"agentd/internal/layout"
	"agentd/internal/testenv/scratch"
	"agentd/test/daemon"
)

const (
	// gitFiles and gitCommits are what the repository has.
	gitFiles, gitCommits = 10_000, 10_000
	gitTemplate          = "bench-clone"
)

// clones measures launches with a repository against git and docker.
type clones struct {
	*launches
	url, mirror, commit string
	count               int
}

// cloned compares launches with a clone. agentd's state is beneath dir.
func (l *launches) cloned(state layout.State) (err error) {
	c := &clones{launches: l}
	stop, err := c.serve()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := c.template(); err != nil {
		return err
	}
	cache := func() error { return scratch.Remove(state.User(uint32(os.Getuid())).GitCaches()) }
	forget := func(names ...string) error { return errors.Join(l.forgetSessions(names...), cache()) }
	pairs := min(l.pairs, 10)
	if err := l.compare("first launch with 10,000 files and commits", "git clone, then docker run -d", pairs,
		l.measured(1, large(), c.session, forget), l.measured(1, large(), c.cloneAndRun(c.url), l.forgetContainers),
		0.8); err != nil {
		return err
	}
	var staged, local samples
	again := l.measured(1, large(), c.pinned, func(names ...string) error {
		ms, err := c.staging(names[0])
		staged = append(staged, ms)
		return errors.Join(err, l.forgetSessions(names...))
	})
	theirs := l.measured(1, large(), c.cloneAndRun(c.mirror), func(names ...string) error {
		begin := time.Now()
		err := quiet(exec.CommandContext(l.ctx, "git", "clone", "-q", "--local", c.mirror, c.place()))
		local = append(local, float64(time.Since(begin))/float64(time.Millisecond))
		return errors.Join(err, l.forgetContainers(names...))
	})
	if err := l.compare("second launch of a pinned commit of it", "git clone --local, then docker run -d", pairs, again,
		theirs, 0.6); err != nil {
		return err
	}
	// The first two of each are the warm-up.
	l.table = append(l.table, row{
		work: "its step checkout alone", against: "git clone --local alone", unit: "ms",
		ours: staged[2:], theirs: local[2:], target: 0.02,
	})
	return nil
}

// serve makes the repository, a mirror of it, and serves it by git's own program.
func (c *clones) serve() (stop func() error, err error) {
	root := filepath.Join(c.dir, "git")
	repo := filepath.Join(root, "many.git")
	c.mirror = repo
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	load := exec.CommandContext(c.ctx, "git", "--git-dir="+repo, "fast-import", "--quiet")
	load.Stdin = bytes.NewReader(history())
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(c.ctx, "git", "init", "-q", "--bare", "-b", "main", repo), load,
		exec.CommandContext(c.ctx, "git", "--git-dir="+repo, "repack", "-qadf"),
	} {
		if err := quiet(cmd); err != nil {
			return nil, err
		}
	}
	out, err := exec.CommandContext(c.ctx, "git", "--git-dir="+repo, "rev-parse", "main").Output()
	if err != nil {
		return nil, err
	}
	c.commit = strings.TrimSpace(string(out))
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	}}
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	c.url = "http://" + listener.Addr().String() + "/many.git"
	return server.Close, nil
}

// history is a stream for git fast-import: all files with the first commit, and one changed by each other.
func history() []byte {
	var b bytes.Buffer
	text := func(i, version int) string {
		var t strings.Builder
		for line := range 40 {
			fmt.Fprintf(&t, "%d %d %d\n", i, line, (i*7919+line*104729)%1000003)
		}
		fmt.Fprintf(&t, "version %d\n", version)
		return t.String()
	}
	put := func(i, version int) {
		t := text(i, version)
		fmt.Fprintf(&b, "M 100644 inline d%d/f%d.txt\ndata %d\n%s\n", i/100, i%100, len(t), t)
	}
	for n := range gitCommits {
		fmt.Fprintf(&b, "commit refs/heads/main\ncommitter B <b@example.org> %d +0000\ndata 1\nc\n", 1_700_000_000+n)
		if n > 0 {
			put(n*7%gitFiles, n)
			continue
		}
		for i := range gitFiles {
			put(i, 0)
		}
	}
	return b.Bytes()
}

func (c *clones) template() error {
	k := newClient(c.socket)
	defer k.Close()
	text := fmt.Sprintf("template:\n  api_version: v1\n  kind: taskTemplate\n  metadata: {name: %s}\n"+
		"  spec:\n    kernel:\n      image: %s\n      git: {repository: \"%s\"}\n    mounts: {%s: %s}\n",
		gitTemplate, imageRef, c.url, folderName, begunDir)
	_, err := k.Create(c.ctx, nil, client.Document{Name: "bench", Text: []byte(text)})
	return err
}

func (c *clones) session(name string, s size) *exec.Cmd {
	return c.command(c.socket, "launch", gitTemplate, "--name", name, "-r", "cpu="+s.cpus, "-r", "mem="+s.memory,
		"-c", begins(name))
}

func (c *clones) pinned(name string, s size) *exec.Cmd {
	cmd := c.session(name, s)
	cmd.Args = append(cmd.Args, "--git-commit", c.commit)
	return cmd
}

// place is a directory that is not there yet. What is cloned stays until the end: ext4 looks for a new inode long and in
// vain among those that were freed in the last seconds.
func (c *clones) place() string {
	c.count++
	return filepath.Join(c.dir, "clone-"+strconv.Itoa(c.count))
}

// cloneAndRun is git clone and docker run, one after the other as in a script. From a path git clones with hard links.
func (c *clones) cloneAndRun(from string) starter {
	return func(name string, s size) *exec.Cmd {
		dir := c.place()
		args := append([]string{"run", "-d", "--name", name, "--cpus", s.cpus, "--memory", s.memory}, c.like.flags()...)
		args = append(args, "--mount", "type=bind,source="+dir+",target=/clone", imageRef, "/bin/sh", "-c", begins(name))
		script := []string{"-c", `git clone -q "$1" "$2" && shift 2 && exec "$@"`, "sh", from, dir, c.docker}
		return exec.CommandContext(c.ctx, "/bin/sh", append(script, args...)...)
	}
}

// staging is how long the step of a session that made the clone took, by its own record.
func (c *clones) staging(name string) (float64, error) {
	var info struct {
		Session struct {
			Timings []struct {
				Step string        `json:"step"`
				Took time.Duration `json:"took"`
			} `json:"timings"`
		}
	}
	text, err := c.command(c.socket, "session", "info", name, "-o", "json").Output()
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return 0, err
	}
	for _, t := range info.Session.Timings {
		if t.Step == "checkout" {
			return float64(t.Took) / float64(time.Millisecond), nil
		}
	}
	return 0, fmt.Errorf("session %s has no step checkout: %s", name, text)
}

// state is where the agentd of that name keeps its state.
func (b *bench) state(name string) layout.State {
	return layout.State(filepath.Join(b.dir, name, daemon.State))
}
