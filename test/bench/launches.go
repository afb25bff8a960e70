package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"agentd/internal/layout"
)

// crowd is how many are launched at once.
const crowd = 20

// size is what a session or a container may use.
type size struct{ cpus, memory string }

// The sizes of one alone, and of one of a crowd, which has to fit a machine of two cores.
func large() size { return size{"1", "128m"} }
func small() size { return size{"0.05", "32m"} }

// launches measures sessions against containers that have the same image, network, mounts and limits.
type launches struct {
	*bench
	socket string
	// pipe is what each command says its name into, as the first thing that it does: the moment that is measured, seen
	// the same way on both sides. words reads it.
	pipe  *os.File
	words *bufio.Reader
	like  likeness
	count int
}

// starter is how one side begins: the program that a user would run.
type starter func(name string, s size) *exec.Cmd

// launched compares launches, and the running of a command in what was launched.
func (b *bench) launched(socket string, state layout.State, clones bool) (err error) {
	l := &launches{bench: b, socket: socket}
	err = l.prepare()
	defer func() { err = errors.Join(err, l.close()) }()
	if err != nil {
		return err
	}
	if clones {
		return l.cloned(state)
	}
	if b.jobs {
		return l.queued()
	}
	if err := l.execs(); err != nil {
		return err
	}
	for _, c := range []struct {
		work, against string
		n, pairs      int
		size          size
		target        float64
	}{
		{"ctl launch, until its startup begins", "docker run -d, until its command begins", 1, b.pairs, large(), 1.05},
		{strconv.Itoa(crowd) + " ctl launch at once, until all begin", strconv.Itoa(crowd) + " docker run -d at once",
			crowd, 10, small(), 1},
	} {
		ours := l.measured(c.n, c.size, l.session, l.forgetSessions)
		theirs := l.measured(c.n, c.size, l.container, l.forgetContainers)
		if err := b.compare(c.work, c.against, c.pairs, ours, theirs, c.target); err != nil {
			return err
		}
	}
	if b.short {
		return nil
	}
	if err := l.queued(); err != nil {
		return err
	}
	return l.cloned(state)
}

// execs compares a command in a running session with one in a running container.
func (l *launches) execs() (err error) {
	const name = "exec"
	defer func() { err = errors.Join(err, l.forgetSessions(name), l.forgetContainers(name)) }()
	for _, start := range []starter{l.session, l.container} {
		if _, err := l.begin([]string{name}, large(), start); err != nil {
			return err
		}
	}
	return l.compare("ctl session exec S -- true", "docker exec C true", l.pairs,
		timed(l.ctl(l.socket, "session", "exec", name, "--", "true")), timed(l.dockerRun("exec", name, "true")), 0.2)
}

// measured is the time from the start of n programs at once until all that they launch has begun; they end, and what they
// launched is forgotten, on nobody's account.
func (l *launches) measured(n int, s size, start starter, forget func(names ...string) error) measure {
	return func() (float64, error) {
		names := make([]string, n)
		for i := range names {
			l.count++
			names[i] = fmt.Sprintf("bench-%d", l.count)
		}
		took, err := l.begin(names, s, start)
		return took, errors.Join(err, forget(names...))
	}
}

// begin returns in how many milliseconds all had begun, once the programs have ended too.
func (l *launches) begin(names []string, s size, start starter) (float64, error) {
	const limit = 2 * time.Minute
	if err := l.pipe.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	var group errgroup.Group
	begin := time.Now()
	for _, name := range names {
		cmd := start(name, s)
		group.Go(func() error {
			err := quiet(cmd)
			if err != nil {
				// Nobody will hear of it by the pipe.
				err = errors.Join(err, l.pipe.SetReadDeadline(time.Now()))
			}
			return err
		})
	}
	heard, err := map[string]bool{}, error(nil)
	for len(heard) < len(names) && err == nil {
		var word string
		word, err = l.words.ReadString('\n')
		heard[strings.TrimSpace(word)] = err == nil
	}
	took := float64(time.Since(begin)) / float64(time.Millisecond)
	return took, cmp.Or(group.Wait(), err)
}

// session is a launch from the template.
func (l *launches) session(name string, s size) *exec.Cmd {
	return l.command(l.socket, "launch", templateName, "--name", name, "-r", "cpu="+s.cpus, "-r", "mem="+s.memory,
		"-c", begins(name))
}

// container is docker run with the same image, network, mounts, user and limits.
func (l *launches) container(name string, s size) *exec.Cmd {
	args := append([]string{"run", "-d", "--name", name, "--cpus", s.cpus, "--memory", s.memory}, l.like.flags()...)
	return exec.CommandContext(l.ctx, l.docker, append(args, imageRef, "/bin/sh", "-c", begins(name))...)
}

// begins is the command of both sides.
func begins(name string) string {
	return "echo " + name + " >" + begunDir + "/" + pipeName + "; exec sleep 3600"
}

func (l *launches) forgetSessions(names ...string) error {
	return l.lasting().ctl(l.socket, append([]string{"session", "rm", "--force"}, names...)...)()
}

func (l *launches) forgetContainers(names ...string) error {
	return l.lasting().dockerRun(append([]string{"rm", "--force", "--volumes"}, names...)...)()
}

// lasting is l for what has to be done after ctrl-C as well.
func (l *launches) lasting() *launches {
	b, k := *l.bench, *l
	b.ctx = context.WithoutCancel(l.ctx)
	k.bench = &b
	return &k
}

func (l *launches) dockerRun(args ...string) func() error {
	return func() error { return quiet(exec.CommandContext(l.ctx, l.docker, args...)) }
}
